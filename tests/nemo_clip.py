# SPDX-License-Identifier: LGPL-2.1-or-later
"""A CLIP tower as Megatron keeps it, for make_nemo_reference.py: plain PyTorch on
tensors by NeMo's names, and the .nemo archive that holds them. `s` is a
specification that draw () made."""
import torch
from torch.nn import functional as F

PART = "model.vision_encoder."
TO_MCORE = [("transformer.final_layernorm", "final_layernorm"),
            ("transformer.layers", "decoder.layers"), ("cls_token", "class_token"),
            ("preprocess_layernorm", "ln_pre"),
            ("input_layernorm.", "self_attention.linear_qkv.layer_norm_"),
            ("post_attention_layernorm.", "mlp.linear_fc1.layer_norm_"),
            ("self_attention.query_key_value", "self_attention.linear_qkv"),
            ("self_attention.dense", "self_attention.linear_proj"),
            ("mlp.dense_h_to_4h", "mlp.linear_fc1"), ("mlp.dense_4h_to_h", "mlp.linear_fc2")]


def draw(rng, kind):
    mcore = "mcore" in kind
    return dict(
        mcore=mcore, tp=2 if "tp2" in kind else 1, inside="inside" in kind,
        tokens=rng.choice([1, 2, 8]), positions=rng.choice(["absolute", "parameters"]),
        pre_norm=mcore or rng.random() < 0.7, one_plus=rng.random() < 0.3,
        act=rng.choice(["gelu", "fused", "openai", "approx-gelu"]))


def make(s, g):
    c, d, f = s["megatron"], s["tower_hidden"], s["tower_ffn"]
    rows = (s["image"] // s["patch"]) ** 2 + c["tokens"]
    w = {}

    def noise(name, *shape):
        w[name] = torch.randn(shape, generator=g) / max(1, shape[-1] ** 0.5)

    def linear(name, n, k):
        noise(name + ".weight", n, k)
        noise(name + ".bias", n)

    def norm(name, one_plus):
        w[name + ".weight"] = (0 if one_plus else 1) + 0.2 * torch.randn(d, generator=g)
        noise(name + ".bias", d)

    noise("cls_token", 1, c["tokens"], d)
    w["conv1.weight"] = torch.randn(d, 3, s["patch"], s["patch"], generator=g) / s["patch"]
    parameters = c["positions"] == "parameters" and not c["mcore"]
    noise("position_embeddings" + ("" if parameters else ".weight"), rows, d)
    if c["pre_norm"]:
        norm("preprocess_layernorm", c["one_plus"] and c["mcore"])
    for i in range(s["tower_layers"]):
        p = f"transformer.layers.{i}."
        norm(p + "input_layernorm", c["one_plus"])
        norm(p + "post_attention_layernorm", c["one_plus"])
        linear(p + "self_attention.query_key_value", 3 * d, d)
        linear(p + "self_attention.dense", d, d)
        linear(p + "mlp.dense_h_to_4h", f, d)
        linear(p + "mlp.dense_4h_to_h", d, f)
    norm("transformer.final_layernorm", c["one_plus"])
    w["head.weight"] = torch.randn(5, d, generator=g)
    return w


def activate(c, x):
    if c["act"] == "approx-gelu":
        return x * torch.sigmoid(1.702 * x)
    return F.gelu(x, approximate="none" if c["act"] == "gelu" else "tanh")


def run(s, w, pixels):
    """Hidden states at the selected layer, class tokens included."""
    c, d, heads = s["megatron"], s["tower_hidden"], s["tower_heads"]

    def norm(name, x, one_plus):
        return F.layer_norm(x, (d,), w[name + ".weight"] + one_plus, w[name + ".bias"], 1e-5)

    def linear(name, x):
        return F.linear(x, w[name + ".weight"], w[name + ".bias"])

    x = F.conv2d(pixels, w["conv1.weight"], stride=s["patch"]).flatten(2).transpose(1, 2)
    x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x], 1)
    x = x + w.get("position_embeddings", w.get("position_embeddings.weight"))
    if c["pre_norm"]:
        x = norm("preprocess_layernorm", x, c["one_plus"] and c["mcore"])
    layers = s["tower_layers"]
    for i in range(layers + s["select"] + 1 if s["select"] < 0 else layers):
        p = f"transformer.layers.{i}."
        mixed = linear(p + "self_attention.query_key_value",
                       norm(p + "input_layernorm", x, c["one_plus"]))
        q, k, v = mixed.view(*x.shape[:2], heads, -1).chunk(3, -1)
        scores = torch.einsum("bthd,bshd->bhts", q, k) / q.shape[-1] ** 0.5
        y = torch.einsum("bhts,bshd->bthd", scores.softmax(-1), v).reshape(x.shape)
        x = x + linear(p + "self_attention.dense", y)
        y = linear(p + "mlp.dense_h_to_4h", norm(p + "post_attention_layernorm", x, c["one_plus"]))
        x = x + linear(p + "mlp.dense_4h_to_h", activate(c, y))
    return norm("transformer.final_layernorm", x, c["one_plus"]) if s["select"] >= 0 else x


def saved(s, w):
    """By the names that follow vision_encoder."""
    if not s["megatron"]["mcore"]:
        return {n if n.startswith("head") else "backbone." + n: x for n, x in w.items()}
    out = {}
    for name, x in w.items():
        for a, b in TO_MCORE:
            name = name.replace(a, b)
        out[name] = x
    return out


def rank_part(name, x, rank, n):
    rows = ("query_key_value", "linear_qkv.weight", "linear_qkv.bias", "dense_h_to_4h",
            "linear_fc1.weight", "linear_fc1.bias")
    columns = ("attention.dense.weight", "dense_4h_to_h.weight", "linear_proj.weight",
               "linear_fc2.weight")
    if any(r in name for r in rows):
        return x.chunk(n)[rank].clone()
    return x.chunk(n, 1)[rank].clone() if any(r in name for r in columns) else x


def states(s, w):
    """What each rank's model_weights.ckpt holds."""
    n = s["megatron"]["tp"]
    return [{PART + name: rank_part(name, x, rank, n) for name, x in saved(s, w).items()} |
            {"model.text_encoder.head.weight": torch.zeros(2, 2), "model.logit_scale": torch.ones([])}
            for rank in range(n)]


def config(s):
    c = s["megatron"]
    vision = {"img_h": s["image"], "img_w": s["image"], "patch_dim": s["patch"],
              "num_channels": 3, "class_token_length": c["tokens"],
              "preprocess_layernorm": c["pre_norm"], "num_layers": s["tower_layers"],
              "position_embedding_type": "learned_" + c["positions"],
              "hidden_size": s["tower_hidden"], "ffn_hidden_size": s["tower_ffn"],
              "num_attention_heads": s["tower_heads"], "kv_channels": None,
              "layernorm_epsilon": 1e-5, "global_average_pool": False, "output_dim": 5,
              "normalization": "layernorm1p" if c["one_plus"] else "layernorm",
              "activation": "approx-gelu" if c["act"] == "approx-gelu" else "gelu",
              "openai_gelu": c["act"] == "openai",
              "bias_activation_fusion": c["act"] == "fused", "transformer_block_type": "pre_ln",
              "megatron_legacy": False}
    return {"mcore_gpt": c["mcore"], "output_dim": 5, "vision": vision,
            "text": {"num_layers": 1}, "tensor_model_parallel_size": c["tp"]}
