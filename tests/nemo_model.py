# SPDX-License-Identifier: LGPL-2.1-or-later
"""NeVA's arithmetic in plain PyTorch, for make_nemo_reference.py: a decoder that
works on the unsplit tensors as Megatron-core names and lays them out, adapters,
projectors and LITA's pooling. `s` is a specification that draw () made."""
import contextlib
import math

import numpy
import torch
from torch.nn import functional as F


def padded(n, s):
    step = 16 * s["tp"]
    return (n + step - 1) // step * step


def mlp_norm(s):
    return "pre_mlp_layernorm." if s["experts"] else "mlp.linear_fc1.layer_norm_"


def shapes(s, vocab):
    h, d = s["hidden"], s["head_dim"]
    qkv = (s["heads"] + 2 * s["groups"]) * d
    fc1 = s["ffn"] * (2 if s["gated"] else 1)
    norm = ["weight"] + (["bias"] if s["norm"] != "rmsnorm" else [])
    out = {"embedding.word_embeddings.weight": (vocab, h)}
    for i in range(s["layers"]):
        p = f"decoder.layers.{i}."
        experts = [f"mlp.experts.local_experts.{e}" for e in range(s["experts"])] or ["mlp"]
        parts = [("self_attention.linear_qkv", qkv, h),
                 ("self_attention.linear_proj", h, s["heads"] * d)]
        for e in experts:
            parts += [(e + ".linear_fc1", fc1, h), (e + ".linear_fc2", h, s["ffn"])]
        if s["experts"]:
            out[p + "mlp.router.weight"] = (s["experts"], h)
        for part, n, k in parts:
            out[p + part + ".weight"] = (n, k)
            if s["bias"] or (s["qkv_bias"] and "qkv" in part):
                out[p + part + ".bias"] = (n,)
        for part in ("self_attention.linear_qkv.layer_norm_", mlp_norm(s)):
            for what in norm:
                out[p + part + what] = (h,)
    for what in norm:
        out["decoder.final_layernorm." + what] = (h,)
    if not s["shared"]:
        out["output_layer.weight"] = (vocab, h)
    return out


def noise(shape, g, name):
    x = torch.randn(shape, generator=g)
    if len(shape) > 1:
        return x * (1.3 / math.prod(shape[1:]) ** 0.5)
    return 0.15 * x if name.endswith("bias") else 0.2 * x


def make_weights(s, vocab, g):
    w = {name: noise(shape, g, name) for name, shape in shapes(s, vocab).items()}
    for name in w:
        # layernorm1p stores gamma - 1
        if "norm" in name and name.endswith("weight") and s["norm"] != "layernorm1p":
            w[name] += 1
    return w


def norm(s, w, name, x):
    if s["norm"] == "rmsnorm":
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * w[name + "weight"]
    gamma = w[name + "weight"] + (s["norm"] == "layernorm1p")
    return F.layer_norm(x, x.shape[-1:], gamma, w[name + "bias"], 1e-5)


def rotate(s, x, start):
    """x [t, heads, d]: the first int (d * fraction) elements, halves rotated."""
    r = int(x.shape[-1] * s["rotary"])
    freq = s["base"] ** (-torch.arange(0, r, 2).float() / r)
    at = (torch.arange(start, start + x.shape[0]).float() / s["factor"])[:, None] * freq
    cos, sin = [torch.cat([f(at)] * 2, -1)[:, None] for f in (torch.cos, torch.sin)]
    part, rest = x[..., :r], x[..., r:]
    half = torch.cat([-part[..., r // 2:], part[..., :r // 2]], -1)
    return torch.cat([part * cos + half * sin, rest], -1)


def adapted(w, name, x):
    """x W^T + b, and the adapter's alpha / dim * out (in (x)) where there is one."""
    y = F.linear(x, w[name + ".weight"], w.get(name + ".bias"))
    for narrow, wide, scale in w.get("lora", {}).get(name, ()):
        y = y + scale * F.linear(F.linear(x, narrow), wide)
    return y


def attention(s, w, p, x, cache):
    d, groups, per = s["head_dim"], s["groups"], s["heads"] // s["groups"]
    mixed = adapted(w, p + "self_attention.linear_qkv", x).view(len(x), groups, per + 2, d)
    q, k, v = mixed.split([per, 1, 1], 2)
    start = cache[0].shape[0] if cache else 0
    q = rotate(s, q.reshape(len(x), s["heads"], d), start)
    k = torch.cat(([cache[0]] if cache else []) + [rotate(s, k[:, :, 0], start)])
    v = torch.cat(([cache[1]] if cache else []) + [v[:, :, 0]])
    scores = torch.einsum("thd,shd->hts", q, k.repeat_interleave(per, 1)) / d ** 0.5
    later = torch.arange(len(k))[None] > torch.arange(start, start + len(x))[:, None]
    scores = scores.masked_fill(later, -torch.inf).softmax(-1)
    y = torch.einsum("hts,shd->thd", scores, v.repeat_interleave(per, 1)).reshape(len(x), -1)
    return adapted(w, p + "self_attention.linear_proj", y), (k, v)


def activate(s, x):
    if s["act"] in ("silu", "squared-relu"):
        return F.silu(x) if s["act"] == "silu" else F.relu(x) ** 2
    fused = s["fused"] and (s["bias"] or s["gated"])
    if s["openai"] or (fused and s["act"] != "approx-gelu"):
        return F.gelu(x, approximate="tanh")
    return x * torch.sigmoid(1.702 * x) if s["act"] == "approx-gelu" else F.gelu(x)


def mlp(s, w, p, x):
    y = adapted(w, p + "linear_fc1", x)
    if s["gated"]:
        gate, up = y.chunk(2, -1)
        y = activate(s, gate) * up
    else:
        y = activate(s, y)
    return adapted(w, p + "linear_fc2", y)


def mixture(s, w, p, x):
    """The best two experts of each row, weighted by the softmax of their logits."""
    best = F.linear(x, w[p + "router.weight"]).topk(2, -1)
    share, out = best.values.softmax(-1), torch.zeros_like(x)
    for i in range(len(x)):
        for j in range(2):
            part = f"{p}experts.local_experts.{int(best.indices[i, j])}."
            out[i] += share[i, j] * mlp(s, w, part, x[i:i + 1])[0]
    return out


def decode(s, w, x, caches):
    caches = caches or [None] * s["layers"]
    new = []
    for i in range(s["layers"]):
        p = f"decoder.layers.{i}."
        y, kv = attention(s, w, p, norm(s, w, p + "self_attention.linear_qkv.layer_norm_", x),
                          caches[i])
        new.append(kv)
        x = x + y
        y = norm(s, w, p + mlp_norm(s), x)
        x = x + (mixture if s["experts"] else mlp)(s, w, p + "mlp.", y)
    x = norm(s, w, "decoder.final_layernorm.", x)
    head = "embedding.word_embeddings.weight" if s["shared"] else "output_layer.weight"
    return F.linear(x, w[head]), new


# ---- Adapters -----------------------------------------------------------------


def make_lora(s, g):
    """name in the file -> tensor; and what they do, by weight."""
    h, d, dim, alpha = s["hidden"], s["head_dim"], 4, 6
    q, kv = s["heads"] * d, s["groups"] * d
    files, effect = {}, {}

    def pair(name, n, k):
        files[name + ".linear_in.weight"] = a = noise((dim, k), g, "weight")
        files[name + ".linear_out.weight"] = b = 0.5 * noise((n, dim), g, "weight")
        return a, b, alpha / dim

    for i in range(s["layers"]):
        p = f"decoder.layers.{i}."
        sa = p + "self_attention.adapter_layer.lora_"
        m = p + "mlp.adapter_layer.lora_"
        if s["lora"] == "fused":
            effect[p + "self_attention.linear_qkv"] = [pair(sa + "kqv_adapter", q + 2 * kv, h)]
            effect[p + "mlp.linear_fc1"] = [
                pair(m + "hto4h_adapter", s["ffn"] * (2 if s["gated"] else 1), h)]
        else:
            rows = torch.arange(q + 2 * kv).view(s["groups"], -1, d)
            per = s["heads"] // s["groups"]
            parts = []
            for name, where in (("q", rows[:, :per]), ("k", rows[:, per]), ("v", rows[:, per + 1])):
                where = where.reshape(-1)
                a, b, scale = pair(sa + f"unfused_kqv_adapter.{name}_adapter", len(where), h)
                parts.append((a, torch.zeros(q + 2 * kv, dim).index_copy(0, where, b), scale))
            effect[p + "self_attention.linear_qkv"] = parts
            parts = []
            for j, name in enumerate(("gate", "up")):
                a, b, scale = pair(m + f"unfused_hto4h_adapter.{name}_adapter", s["ffn"], h)
                full = torch.zeros(2 * s["ffn"], dim)
                full[j * s["ffn"]:(j + 1) * s["ffn"]] = b
                parts.append((a, full, scale))
            effect[p + "mlp.linear_fc1"] = parts
        effect[p + "self_attention.linear_proj"] = [pair(sa + "dense_attention_adapter", h, q)]
        effect[p + "mlp.linear_fc2"] = [pair(m + "4htoh_adapter", h, s["ffn"])]
    return files, effect, {"peft_scheme": "lora",
                           "lora_tuning": {"adapter_dim": dim, "alpha": alpha}}


# ---- Projector and LITA -------------------------------------------------------


def make_projector(s, g):
    d, h, kind = s["tower_hidden"], s["hidden"], s["projector"]
    w = {}

    def add(name, n, k):
        w[name + "weight"] = noise((n, k), g, "weight")
        w[name + "bias"] = noise((n,), g, "bias")

    if kind == "linear":
        add("", h, d)
    elif kind == "identity":
        pass
    elif kind == "mlp_downsample":
        w["1.weight"], w["1.bias"] = 1 + noise((4 * d,), g, "weight"), noise((4 * d,), g, "bias")
        add("2.", h, 4 * d)
        add("4.", h, h)
    else:
        for i in range(int(kind[3])):
            add(f"{2 * i}.", h, h if i else d)
    return w


def merge_patches(x):
    """[F, S, D] -> [F, S', 4 D], blocks column by column, an odd grid padded."""
    frames, rows, d = x.shape
    side = math.isqrt(rows)
    x = F.pad(x.view(frames, side, side, d), (0, 0, 0, side % 2, 0, side % 2))
    blocks = [torch.cat([x[:, r, c], x[:, r, c + 1], x[:, r + 1, c], x[:, r + 1, c + 1]], -1)
              for c in range(0, x.shape[2], 2) for r in range(0, x.shape[1], 2)]
    return torch.stack(blocks, 1)


def project(s, w, x):
    kind = s["projector"]
    if kind == "linear":
        return F.linear(x, w["weight"], w["bias"])
    if kind == "identity":
        return x
    if kind == "mlp_downsample":
        x = merge_patches(x)
        x = F.layer_norm(x, x.shape[-1:], w["1.weight"], w["1.bias"], 1e-5)
        return F.linear(F.gelu(F.linear(x, w["2.weight"], w["2.bias"])),
                        w["4.weight"], w["4.bias"])
    for i in range(int(kind[3])):
        x = F.linear(F.gelu(x) if i else x, w[f"{2 * i}.weight"], w[f"{2 * i}.bias"])
    return x


def lita(s, x):
    """[F, S, H] -> rows: temporal and spatial tokens."""
    frames, rows, h = x.shape
    temporal = x.mean(1)
    if s["lita"] == "temporal_spatial":
        return torch.cat([temporal, x.mean(0)])
    n = 4 if s["lita"] == "temporal_spatial_pool" else s["sample_frames"]
    chosen = x[numpy.round(numpy.linspace(0, frames - 1, n)).astype(int)]
    if s["lita"] == "temporal_all_resolution":
        return torch.cat([chosen.reshape(-1, h), temporal])
    side = math.isqrt(rows)
    pooled = F.avg_pool2d(chosen.view(n, side, side, h).permute(0, 3, 1, 2), 2)
    return torch.cat([temporal, pooled.permute(0, 2, 3, 1).reshape(-1, h)])


# ---- megatron-core as a second opinion ------------------------------------------


def check_mcore(s, w, x, want):
    """The same weights and inputs through megatron-core's decoder. Its local layers
    need a norm that runs on a CPU: torch's, with gamma - 1 added to."""
    from megatron.core import parallel_state
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.tensor_parallel.random import CudaRNGStatesTracker
    from megatron.core.transformer.transformer_config import TransformerConfig

    # where the angles are computed; what dropout would draw from
    torch.cuda.current_device = lambda: "cpu"
    CudaRNGStatesTracker.fork = lambda self, *name: contextlib.nullcontext()
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group(
            "gloo", init_method="tcp://127.0.0.1:29519", rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
    # as NeMo's activation_to_func () chooses; mcore fuses what is F.gelu itself
    acts = {"silu": F.silu, "gelu": F.gelu, "geglu": F.gelu,
            "squared-relu": lambda x: F.relu(x) ** 2,
            "approx-gelu": lambda x: x * torch.sigmoid(1.702 * x)}
    act = (lambda x: F.gelu(x, approximate="tanh")) if s["openai"] else acts[s["act"]]
    fused = s["fused"] and act is F.gelu and (s["bias"] or s["gated"])

    class Norm(torch.nn.Module):
        def __init__(self, config, hidden_size, eps=1e-5, **unused):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(hidden_size))
            self.bias = torch.nn.Parameter(torch.zeros(hidden_size))

        def forward(self, x):
            return norm(s, {"weight": self.weight, "bias": self.bias}, "", x)

    config = TransformerConfig(
        num_layers=s["layers"], hidden_size=s["hidden"], ffn_hidden_size=s["ffn"],
        num_attention_heads=s["heads"], num_query_groups=s["groups"],
        kv_channels=s["head_dim"], gated_linear_unit=s["gated"],
        activation_func=act, add_bias_linear=s["bias"], add_qkv_bias=s["qkv_bias"],
        hidden_dropout=0, attention_dropout=0, use_cpu_initialization=True,
        perform_initialization=False, bias_activation_fusion=fused,
        masked_softmax_fusion=False, apply_rope_fusion=False,
        gradient_accumulation_fusion=False, persist_layer_norm=False)
    spec = get_gpt_layer_local_spec()
    spec.submodules.input_layernorm = spec.submodules.pre_mlp_layernorm = Norm
    import megatron.core.transformer.transformer_block as block
    block.LayerNormImpl = Norm
    with torch.enable_grad():
        model = GPTModel(
            config, spec, vocab_size=len(w["embedding.word_embeddings.weight"]),
            max_sequence_length=512, position_embedding_type="rope",
            share_embeddings_and_output_weights=s["shared"],
            rotary_percent=s["rotary"], rotary_base=s["base"],
            seq_len_interpolation_factor=s["factor"] if s["factor"] != 1 else None).eval()
    state = dict(model.named_parameters())
    for name, p in state.items():
        name = name.replace("input_layernorm.", "self_attention.linear_qkv.layer_norm_")
        name = name.replace("pre_mlp_layernorm.", "mlp.linear_fc1.layer_norm_")
        if name in w:
            p.data.copy_(w[name])
        elif not name.endswith("norm.bias") and not name.endswith("norm_bias"):
            raise SystemExit(f"megatron-core has a parameter {name}")
    t = len(x)
    mask = torch.ones(1, 1, t, t).triu(1).bool()
    got = model(torch.zeros(1, t, dtype=torch.long), torch.arange(t)[None], mask,
                decoder_input=x[:, None])[0]
    worst = float((got - want).abs().max())
    print(f"  megatron-core differs by {worst:.2g} of {float(want.abs().max()):.2g}")
    if not worst < 1e-4:
        raise SystemExit("the decoder here is not megatron-core's")
