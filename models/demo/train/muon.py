# SPDX-License-Identifier: LGPL-2.1-or-later
"""The optimiser of train.py."""

import torch


class Muon:
    """Muon for matrices and AdamW for the rest; the model is bf16, the
    master weights are f32."""

    def __init__(self, model, lr, adam_lr, wd=.02):
        self.params = list(model.named_parameters())
        self.lr, self.adam_lr, self.wd = lr, adam_lr, wd
        self.state = {}
        for n, p in self.params:
            self.state[n] = {"w": p.detach().float().clone(),
                             "m": torch.zeros(p.shape),
                             **({} if self.matrix(n, p) else
                                {"v": torch.zeros(p.shape)})}
        self.t = 0

    @staticmethod
    def matrix(n, p):
        return p.ndim == 2 and not n.startswith(
            ("embed", "position", "aux", "patch_embedding"))

    @staticmethod
    def orth(g):
        """Newton-Schulz on a stack [k, rows, columns], rows <= columns."""
        x = g.bfloat16()
        x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
        for _ in range(5):
            a = x @ x.mT
            x = 3.4445 * x + torch.baddbmm(a, a, a, beta=-4.7750,
                                           alpha=2.0315) @ x
        return x.float()

    @torch.no_grad()
    def step(self, scale):
        self.t += 1
        live = [(n, p) for n, p in self.params if p.grad is not None]
        grads = [p.grad.float() for _, p in live]
        norm = torch.sqrt(sum(g.pow(2).sum() for g in grads)).item()
        clip = min(1.0, 1.0 / (norm + 1e-6))
        stacks = {}
        for (n, p), g in zip(live, grads):
            s = self.state[n]
            g.mul_(clip)
            if self.matrix(n, p):
                s["m"].lerp_(g, .05)
                u = g.lerp_(s["m"], .95)
                parts = 3 if "qkv" in n else 2 if "gate_up" in n else 1
                for x, w in zip(u.chunk(parts), s["w"].chunk(parts)):
                    flip = x.shape[0] > x.shape[1]
                    x = x.T if flip else x
                    stacks.setdefault(x.shape, []).append((x, w, flip))
            else:
                s["m"].lerp_(g, .1)
                s["v"].lerp_(g.square_(), .02)
                mh = s["m"] / (1 - .9 ** self.t)
                vh = s["v"] / (1 - .98 ** self.t)
                s["w"].addcdiv_(mh, vh.sqrt_().add_(1e-8),
                                value=-self.adam_lr * scale)
        lr = self.lr * scale
        for items in stacks.values():
            us = self.orth(torch.stack([x for x, _, _ in items]))
            for u, (_, w, flip) in zip(us, items):
                u = u.T if flip else u
                w.mul_(1 - lr * self.wd * 5).add_(
                    u, alpha=-lr * max(1, w.shape[0] / w.shape[1]) ** .5)
        for n, p in live:
            p.copy_(self.state[n]["w"])
            p.grad = None
        return norm
