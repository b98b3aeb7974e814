# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains the demo model on the CPU and writes it as a Hugging Face folder.

    data.py CACHE.npz
    train.py --cache CACHE.npz --work W1 --tower --steps N  the tower alone
    train.py --cache CACHE.npz --work W2 --init W1/last.pt --steps N
    train.py --work W2 --export MODEL_DIR                   write the folder

Run again with the same --work it goes on from the last checkpoint.

    frames [B,8,96,96,3] -> SigLIP tower -> [B,8*36,192] -> projector
      -> Llama over   <s> | 8*36 frame rows | question answer | question ...
    Every question-answer pair sees the frames and itself, not its
    neighbours, and its positions go on right behind the frames, so that it
    looks just like a prompt with one question.

Three auxiliary heads, dropped at export, read dense labels (data.py): one on
the tower (what is under each patch), two inside the language model (how it
moved since the first frame; how many are in its group, and whose event came
when). The learning rate is flat after the warm-up and
falls to zero over the last part of --steps; a checkpoint is kept from before
the fall, so that a later run may go on from there with more steps.
"""

import argparse
import json
import math
import os
import shutil
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import data as D
import generate as G
from muon import Muon

HERE = os.path.dirname(os.path.abspath(__file__))
BOS, EOS, IMAGE, PAD = 1, 2, 3, 4
CFG = dict(
    vocab=640, image=D.SIZE, patch=D.PATCH, frames=G.FRAMES,
    v_dim=192, v_layers=4, v_heads=6, v_mlp=768,
    dim=192, layers=5, heads=6, mlp=512, theta=10000.0,
    aux_layers=(2, 3))


class VisionLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["v_dim"]
        self.heads = c["v_heads"]
        self.layer_norm1 = nn.LayerNorm(d, eps=1e-6)
        self.qkv = nn.Linear(d, 3 * d)
        self.out_proj = nn.Linear(d, d)
        self.layer_norm2 = nn.LayerNorm(d, eps=1e-6)
        self.fc1 = nn.Linear(d, c["v_mlp"])
        self.fc2 = nn.Linear(c["v_mlp"], d)

    def forward(self, x):
        b, s, d = x.shape
        q, k, v = self.qkv(self.layer_norm1(x)).view(
            b, s, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        a = attend(q, k, v)
        x = x + self.out_proj(a.transpose(1, 2).reshape(b, s, d))
        h = F.gelu(self.fc1(self.layer_norm2(x)), approximate="tanh")
        return x + self.fc2(h)


class TextLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d = c["dim"]
        self.heads = c["heads"]
        self.input_layernorm = nn.RMSNorm(d, eps=1e-5)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.o_proj = nn.Linear(d, d, bias=False)
        self.post_attention_layernorm = nn.RMSNorm(d, eps=1e-5)
        self.gate_up = nn.Linear(d, 2 * c["mlp"], bias=False)
        self.down_proj = nn.Linear(c["mlp"], d, bias=False)

    def forward(self, x, cos, sin, mask, n, last):
        """The first n rows are the frames: plain causal attention. The rest
        is text, `mask` says what it may see. The last layer returns the text
        alone."""
        b, s, d = x.shape
        qkv = self.qkv(self.input_layernorm(x)).view(b, s, 3, self.heads, -1)
        q, k = rope(qkv[:, :, :2], cos, sin).transpose(1, 3).unbind(2)
        v = qkv[:, :, 2].transpose(1, 2)
        a = attend(q[:, :, n:], k, v, mask[1])
        if last:
            x, s = x[:, n:], s - n
        else:
            a = torch.cat((attend(q[:, :, :n], k[:, :, :n], v[:, :, :n],
                                  mask[0]), a), 2)
        x = x + self.o_proj(a.transpose(1, 2).reshape(b, s, d))
        g, u = self.gate_up(self.post_attention_layernorm(x)).chunk(2, -1)
        return x + self.down_proj(F.silu(g) * u)


def attend(q, k, v, mask=None):
    """Written out: on the CPU its backward is faster than the fused one."""
    s = (q * q.shape[-1] ** -.5) @ k.transpose(-2, -1)
    if mask is not None:
        s = s + mask
    return s.softmax(-1) @ v


def rope(x, cos, sin):
    h = x.shape[-1] // 2
    a, b = x[..., :h], x[..., h:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Model(nn.Module):
    def __init__(self, c=CFG):
        super().__init__()
        self.c, self.frozen = c, False
        n = (c["image"] // c["patch"]) ** 2
        self.per_frame = n
        self.patch_embedding = nn.Linear(3 * c["patch"] ** 2, c["v_dim"])
        self.position = nn.Parameter(torch.randn(n, c["v_dim"]) * .02)
        self.vision = nn.ModuleList(
            VisionLayer(c) for _ in range(c["v_layers"]))
        self.linear_1 = nn.Linear(c["v_dim"], c["dim"])
        self.linear_2 = nn.Linear(c["dim"], c["dim"])
        self.embed = nn.Embedding(c["vocab"], c["dim"])
        self.text = nn.ModuleList(TextLayer(c) for _ in range(c["layers"]))
        self.norm = nn.RMSNorm(c["dim"], eps=1e-5)
        na = 1 + len(G.SHAPES) + 1 + len(G.COLOURS) + 2 + 2 + \
            2 + len(G.PATTERNS) + len(G.BACKGROUNDS)
        self.aux_norm = nn.LayerNorm(c["v_dim"])
        self.aux_vision = nn.Linear(c["v_dim"], na)
        self.aux_place = nn.Linear(c["v_dim"], n + 2)
        self.aux_motion = nn.Linear(c["dim"], 8)
        self.aux_group = nn.Linear(c["dim"], 5 + 4 + 10)
        for name, p in self.named_parameters():
            if name.endswith("weight") and p.ndim == 2:
                nn.init.normal_(p, std=.02 if "embed" == name.split(".")[0]
                                else p.shape[1] ** -.5 * .7)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        for m in list(self.vision):
            m.out_proj.weight.data *= .3
            m.fc2.weight.data *= .3
        for m in list(self.text):
            m.o_proj.weight.data *= .3
            m.down_proj.weight.data *= .3

    def encode(self, pixels):
        """[N,C,C,3] in -1..1 -> [N,S,Dv]; a patch is (channel, row, column)."""
        n, c, p = pixels.shape[0], self.c["image"], self.c["patch"]
        g = c // p
        x = pixels.view(n, g, p, g, p, 3).permute(0, 1, 3, 5, 2, 4)
        x = self.patch_embedding(x.reshape(n, g * g, 3 * p * p))
        x = x + self.position
        for layer in self.vision:
            x = layer(x)
        return x

    def project(self, x):
        return self.linear_2(F.gelu(self.linear_1(x)))

    def angles(self, pos, dtype):
        d = self.c["dim"] // self.c["heads"]
        inv = self.c["theta"] ** (-torch.arange(0, d, 2).float() / d)
        a = pos.float()[..., None] * inv
        a = a[:, :, None, None]
        return a.cos().to(dtype), a.sin().to(dtype)

    def decode(self, x, pos, mask, n):
        """Rows of text, and the rows of frames inside the model that the
        auxiliary heads read."""
        cos, sin = self.angles(pos, x.dtype)
        mid = []
        for i, layer in enumerate(self.text):
            if i in self.c["aux_layers"]:
                mid.append(x[:, 1:n])
            x = layer(x, cos, sin, mask, n, i == len(self.text) - 1)
        return self.norm(x), mid

    def forward(self, frames, ids, seg):
        b, f = frames.shape[:2]
        dt = self.linear_1.weight.dtype
        if self.frozen:
            with torch.no_grad():
                vis = self.look(frames)
        else:
            vis = self.look(frames)
        media = self.project(vis).view(b, f * self.per_frame, -1)
        bos = self.embed(ids.new_full((b, 1), BOS))
        x = torch.cat((bos, media, self.embed(ids)), 1)
        n = 1 + media.shape[1]
        # a token's place inside its own segment
        t = seg.shape[1]
        first = torch.ones_like(seg, dtype=torch.bool)
        first[:, 1:] = seg[:, 1:] != seg[:, :-1]
        ar = torch.arange(t).expand(b, t)
        start = torch.where(first, ar, 0).cummax(1).values
        pos = torch.cat((torch.arange(n).expand(b, n), n + ar - start), 1)
        sg = torch.cat((seg.new_zeros(b, n), seg), 1)
        keep = (sg[:, None] == seg[:, :, None]) | (sg[:, None] == 0)
        keep &= torch.ones(t, n + t, dtype=torch.bool).tril(n)
        mask = torch.zeros(b, 1, t, n + t, dtype=dt).masked_fill_(
            ~keep[:, None], -1e4)
        causal = torch.full((n, n), -1e4, dtype=dt).triu(1)
        out, mid = self.decode(x, pos, (causal, mask), n)
        return vis, mid, out

    def look(self, frames):
        px = frames.flatten(0, 1).to(self.linear_1.weight.dtype)
        return self.encode(px / 127.5 - 1)


def losses(m, batch):
    vis, mid, out = m(batch["frames"], batch["ids"], batch["seg"])
    aux, acc = (0., {}) if m.frozen else tower_loss(m, vis, batch)
    tgt = batch["tgt"]
    use = tgt >= 0
    logits = F.linear(out[use], m.embed.weight).float()
    text = F.cross_entropy(logits, tgt[use])
    act = batch["lab"][..., 3].flatten(1)
    mo = m.aux_motion(mid[0]).float()
    wa = torch.where(act > 0, 1.0, .1).flatten()
    motion = (F.cross_entropy(mo.flatten(0, 1), act.flatten(),
                              reduction="none") * wa).sum() / wa.sum()
    group, right_group = group_loss(m, mid[1], batch["lab"], wa)
    right = lambda x, y: (x.detach().argmax(-1) == y).float().mean().item()
    acc.update(tok=right(logits, tgt[use]), act=right(mo[act > 0],
                                                      act[act > 0]),
               text=text.item(), motion=motion.item(), **right_group)
    return text, aux, motion + group, acc


def group_loss(m, mid, lab, wa):
    """How many are in the group of a shape (not asked of the first frame,
    whose rows have not seen all of it), which event was whose, and in which
    ninth of the picture the shape is."""
    n, order, cell = m.aux_group(mid).float().split((5, 4, 10), -1)
    many, when = lab[..., 4].clone(), lab[..., 5].flatten(1)
    many[:, 0] = 0
    many = many.flatten(1)
    use, late = many > 0, when > 0
    loss = F.cross_entropy(n[use], many[use])
    ninth = lab[..., 6].flatten(1)
    obj = ninth > 0
    loss = loss + F.cross_entropy(cell[obj], ninth[obj])
    loss = loss + (F.cross_entropy(order.flatten(0, 1), when.flatten(),
                                   reduction="none") * wa).sum() / wa.sum()
    right = lambda x, y: (x.detach().argmax(-1) == y).float().mean().item()
    acc = {"n": right(n[use], many[use]), "cell": right(cell[obj], ninth[obj])}
    if late.any():
        acc["order"] = right(order[late], when[late])
    return loss, acc


def tower_loss(m, vis, batch):
    lab, off, pat = batch["lab"], batch["off"], batch["pat"]
    b, f, n, _ = lab.shape
    normed = m.aux_norm(vis)
    a = m.aux_vision(normed).float().view(b, f, n, -1)
    k = (1 + len(G.SHAPES), 1 + len(G.COLOURS), 2, 2, 2 + len(G.PATTERNS),
         len(G.BACKGROUNDS))
    sh, co, sz, of, pt, bg = a.split(k, -1)
    obj = lab[..., 0] > 0
    fl = lambda x: x.flatten(0, 2)
    w = torch.where(obj, 1.0, .25).flatten()
    ce = lambda x, y: (F.cross_entropy(fl(x), y.flatten(),
                                       reduction="none") * w).sum() / w.sum()
    aux = ce(sh, lab[..., 0]) + ce(co, lab[..., 1])
    aux = aux + F.cross_entropy(sz[obj], lab[..., 2][obj]) + \
        F.smooth_l1_loss(of[obj], off[obj])
    # Where the patch is and where the shape is: shapes could be told without
    # it, and the tower would let it fade, but the language model needs it.
    patch = torch.arange(n)
    index, centre = m.aux_place(normed).float().view(b, f, n, -1).split(
        (n, 2), -1)
    grid = torch.stack((patch % D.GRID, patch // D.GRID), -1)
    aux = aux + F.cross_entropy(fl(index), patch.repeat(b * f)) + \
        F.smooth_l1_loss(centre[obj], (grid + .5 + off)[obj])
    aux = aux + .5 * F.cross_entropy(pt.mean(2).flatten(0, 1),
                                     pat.repeat_interleave(f))
    plain = pat == 0
    aux = aux + .5 * F.cross_entropy(
        bg[plain].mean(2).flatten(0, 1),
        batch["bg"][plain].repeat_interleave(f))
    right = lambda x, y: (x.detach().argmax(-1) == y).float().mean().item()
    return aux, {"shape": right(sh[obj], lab[..., 0][obj]),
                 "col": right(co[obj], lab[..., 1][obj]),
                 "none": 1 - right(sh[~obj], lab[..., 0][~obj]),
                 "size": right(sz[obj], lab[..., 2][obj]),
                 "patch": right(fl(index), patch.repeat(b * f)),
                 "off": (of - off)[obj].detach().abs().mean().item(),
                 "pat": right(pt.mean((1, 2)), pat), "aux": aux.item()}


class Loader(torch.utils.data.IterableDataset):
    def __init__(self, cache, seed, batch, fresh, keep=None):
        self.args = cache, seed, batch, fresh, keep

    def __iter__(self):
        import sentencepiece as spm
        cache, seed, batch, fresh, keep = self.args
        sp = spm.SentencePieceProcessor(
            model_file=os.path.join(HERE, "..", "tokenizer.model"))
        memo = {}

        def enc(t):
            if t not in memo:
                memo[t] = sp.encode(t)
            return list(memo[t])
        torch.set_num_threads(1)
        os.nice(3)
        clips = [c for p in cache for c in D.load_cache(p)]
        for b in D.Stream(enc, clips, seed, batch, fresh, keep=keep):
            yield {k: torch.from_numpy(np.asarray(v)) for k, v in b.items()}


def save(path, model, opt, step):
    tmp = path + ".tmp"
    torch.save({"step": step, "t": opt.t, "state": opt.state}, tmp)
    os.replace(tmp, path)


def restore(a, model, opt):
    """Takes up the weights to begin with, or the last checkpoint and all that
    belongs to it; returns its step."""
    path = a.start or os.path.join(a.work, "last.pt")
    if a.init and not os.path.exists(path):
        ck = torch.load(a.init)
        for n, p in opt.params:
            had = ck["state"].get(n, {"w": torch.empty(0)})["w"]
            if n.startswith("aux") and had.shape != p.shape:
                continue        # a head that the earlier stage did not have
            opt.state[n]["w"] = had
            with torch.no_grad():
                p.copy_(had)
        print("weights of", a.init)
    for layer in list(model.vision) + list(model.text):
        if a.compile:
            layer.compile(dynamic=False)
    if not os.path.exists(path):
        return 0
    ck = torch.load(path)
    opt.t = ck["t"]
    for n, p in opt.params:
        opt.state[n] = ck["state"][n]
        with torch.no_grad():
            p.copy_(opt.state[n]["w"])
    print("resumed at step", ck["step"])
    return ck["step"]


def train(a):
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    torch.set_flush_denormal(True)
    os.makedirs(a.work, exist_ok=True)
    model = Model().bfloat16()
    model.frozen = a.freeze
    opt = Muon(model, a.lr, a.adam_lr)
    print(sum(p.numel() for p in model.parameters()), "parameters")
    step = restore(a, model, opt)
    path = os.path.join(a.work, "last.pt")
    loader = iter(torch.utils.data.DataLoader(
        Loader(a.cache, a.seed * 1000003 + step, a.batch, a.fresh,
               2 if a.tower else None),
        batch_size=None, num_workers=1, prefetch_factor=4))
    t0, mean, fall = time.time(), {}, int(a.steps * a.fall)
    log = open(os.path.join(a.work, "log.txt"), "a")
    while step < a.steps:
        batch = next(loader)
        tw = time.time()
        if a.tower:
            loss, acc = tower_loss(model, model.look(batch["frames"]), batch)
            loss.backward()
        else:
            text, aux, motion, acc = losses(model, batch)
            (text + a.aux * (aux + motion)).backward()
        scale = min(1, (step + 1) / 150)
        left = a.steps - step
        if a.minutes:
            gone = (time.time() - t0) / 60 / a.minutes
            if gone >= 1:
                break
            scale *= min(1, (1 - gone) / a.fall)
        elif left < fall:
            scale *= max(left / fall, .01)
        acc["gn"] = opt.step(scale)
        step += 1
        acc["busy"] = time.time() - tw
        for k, v in acc.items():
            mean[k] = v if k not in mean else mean[k] * .96 + v * .04
        if step % 25 == 0:
            line = f"{step} {time.time() - t0:.0f}s " + " ".join(
                f"{k}={v:.3f}" for k, v in mean.items())
            print(line, flush=True)
            log.write(line + "\n")
            log.flush()
        if step % 100 == 0 or step == a.steps:
            save(path, model, opt, step)
        if left == fall and not a.minutes:
            save(os.path.join(a.work, "flat.pt"), model, opt, step)
    save(path, model, opt, step)


# ---------------------------------------------------------------- export

def hf_config(c=CFG):
    g = c["image"] // c["patch"]
    return {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "image_token_index": IMAGE,
        "image_seq_length": g * g,
        "multimodal_projector_bias": True,
        "projector_hidden_act": "gelu",
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "text_config": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": False, "attention_dropout": 0.0,
            "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD,
            "head_dim": c["dim"] // c["heads"], "hidden_act": "silu",
            "hidden_size": c["dim"], "initializer_range": .02,
            "intermediate_size": c["mlp"], "max_position_embeddings": 1024,
            "mlp_bias": False, "num_attention_heads": c["heads"],
            "num_hidden_layers": c["layers"],
            "num_key_value_heads": c["heads"], "rms_norm_eps": 1e-5,
            "rope_scaling": None, "rope_theta": c["theta"],
            "tie_word_embeddings": True, "use_cache": True,
            "vocab_size": c["vocab"], "torch_dtype": "bfloat16"},
        "vision_config": {
            "model_type": "siglip_vision_model", "attention_dropout": 0.0,
            "hidden_act": "gelu_pytorch_tanh", "hidden_size": c["v_dim"],
            "image_size": c["image"], "intermediate_size": c["v_mlp"],
            "layer_norm_eps": 1e-6, "num_attention_heads": c["v_heads"],
            "num_channels": 3, "num_hidden_layers": c["v_layers"],
            "patch_size": c["patch"], "vision_use_head": False},
        "neva": {"num_frames": c["frames"], "conv_template": "plain",
                 "prompt": G.DESCRIBE[0], "media_type": "video"},
    }


def hf_tensors(w, c=CFG):
    p, out = c["patch"], {}
    V, L = "vision_tower.vision_model.", "language_model.model."
    out[V + "embeddings.patch_embedding.weight"] = \
        w["patch_embedding.weight"].view(-1, 3, p, p)
    out[V + "embeddings.patch_embedding.bias"] = w["patch_embedding.bias"]
    out[V + "embeddings.position_embedding.weight"] = w["position"]
    for i in range(c["v_layers"]):
        s, d = f"vision.{i}.", f"{V}encoder.layers.{i}."
        for x in ("weight", "bias"):
            q, k, v = w[s + "qkv." + x].chunk(3)
            for n, t in (("q", q), ("k", k), ("v", v)):
                out[f"{d}self_attn.{n}_proj.{x}"] = t
            out[f"{d}self_attn.out_proj.{x}"] = w[s + "out_proj." + x]
            for n in ("layer_norm1", "layer_norm2"):
                out[f"{d}{n}.{x}"] = w[f"{s}{n}.{x}"]
            for n in ("fc1", "fc2"):
                out[f"{d}mlp.{n}.{x}"] = w[f"{s}{n}.{x}"]
    out[V + "post_layernorm.weight"] = torch.ones(c["v_dim"])
    out[V + "post_layernorm.bias"] = torch.zeros(c["v_dim"])
    for n in ("linear_1", "linear_2"):
        for x in ("weight", "bias"):
            out[f"multi_modal_projector.{n}.{x}"] = w[f"{n}.{x}"]
    out[L + "embed_tokens.weight"] = w["embed.weight"]
    out[L + "norm.weight"] = w["norm.weight"]
    for i in range(c["layers"]):
        s, d = f"text.{i}.", f"{L}layers.{i}."
        q, k, v = w[s + "qkv.weight"].chunk(3)
        for n, t in (("q", q), ("k", k), ("v", v)):
            out[f"{d}self_attn.{n}_proj.weight"] = t
        out[d + "self_attn.o_proj.weight"] = w[s + "o_proj.weight"]
        g, u = w[s + "gate_up.weight"].chunk(2)
        out[d + "mlp.gate_proj.weight"] = g
        out[d + "mlp.up_proj.weight"] = u
        out[d + "mlp.down_proj.weight"] = w[s + "down_proj.weight"]
        for n in ("input_layernorm", "post_attention_layernorm"):
            out[f"{d}{n}.weight"] = w[f"{s}{n}.weight"]
    return {k: v.bfloat16().contiguous() for k, v in out.items()}


def export(a):
    from safetensors.torch import save_file
    ck = torch.load(a.start or os.path.join(a.work, "last.pt"))
    w = {n: s["w"] for n, s in ck["state"].items()}
    os.makedirs(a.export, exist_ok=True)
    save_file(hf_tensors(w), os.path.join(a.export, "model.safetensors"),
              metadata={"format": "pt"})

    def dump(name, obj):
        with open(os.path.join(a.export, name), "w") as f:
            json.dump(obj, f, indent=1)
            f.write("\n")
    dump("config.json", hf_config())
    dump("preprocessor_config.json", {
        "image_processor_type": "SiglipImageProcessor",
        "processor_class": "LlavaProcessor",
        "do_convert_rgb": True, "do_resize": True, "resample": 3,
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [.5] * 3, "image_std": [.5] * 3,
        "size": {"height": CFG["image"], "width": CFG["image"]}})
    dump("generation_config.json", {
        "bos_token_id": BOS, "eos_token_id": EOS, "pad_token_id": PAD,
        "do_sample": False, "max_new_tokens": 64, "use_cache": True})
    dump("tokenizer_config.json", {
        "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>",
        "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
        "add_bos_token": True, "add_eos_token": False,
        "add_prefix_space": False, "legacy": False,
        "clean_up_tokenization_spaces": False, "model_max_length": 1024})
    tok = os.path.join(HERE, "..", "tokenizer.model")
    if os.path.abspath(tok) != os.path.abspath(
            os.path.join(a.export, "tokenizer.model")):
        shutil.copy(tok, a.export)
    print("exported step", ck["step"])


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--cache", nargs="*", default=[])
    ap.add_argument("--work", default="work")
    ap.add_argument("--init", help="weights to begin with, at step 0")
    ap.add_argument("--tower", action="store_true",
                    help="train the tower on single frames")
    ap.add_argument("--freeze", action="store_true",
                    help="leave the tower as it is")
    ap.add_argument("--compile", action="store_true",
                    help="torch.compile the layers (needs a C++ compiler)")
    ap.add_argument("--start", help="go on from this checkpoint instead")
    ap.add_argument("--steps", type=int, default=9000)
    ap.add_argument("--fall", type=float, default=.25,
                    help="the last part of the stage, in which the rate falls")
    ap.add_argument("--minutes", type=float, help="stop after that long, "
                    "the rate falling by the clock instead of --steps")
    ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--fresh", type=float, default=.4)
    ap.add_argument("--lr", type=float, default=.02)
    ap.add_argument("--adam-lr", type=float, default=.002)
    ap.add_argument("--aux", type=float, default=.3)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--export", metavar="MODEL_DIR")
    a = ap.parse_args()
    export(a) if a.export else train(a)


if __name__ == "__main__":
    main()
