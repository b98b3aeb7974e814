#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes folders for check-reference: tiny random LLaVA checkpoints whose decoder
matrices are stored as AutoAWQ and llm-awq store them, and what PyTorch computes
with the numbers that the codes stand for.

  make_awq_reference.py OUT [--seed 1]
  make_awq_reference.py OUT --checked-in    the folder of tests/data

One folder for each layout (gemm, gemv, gemv_fast) and text model. Needs what
make_reference.py needs; neither AutoAWQ nor llm-awq: the packing is written here
from their description. Beside what make_reference.py says, each folder's
expected.safetensors holds
  prompt_logits_int4   PyTorch with naive int4: weights 4 bits with a scale and a
                       low end in bf16, inputs of these products 8 bits in groups
                       of 128, all else in bf16
"""
import argparse
import copy
import json
import pathlib

import numpy
import torch
from safetensors.torch import load_file, save_file

import make_reference as reference

GROUP = 128
INTERLEAVED = [0, 2, 4, 6, 1, 3, 5, 7]


def is_coded(name, p):
    return "language_model.layers" in name and p.ndim == 2


def quantise(w):
    """Codes and zeros [n, k], [n, groups] and f16 scales, round to nearest."""
    groups = w.reshape(w.shape[0], -1, GROUP)
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    scale = ((high - low) / 15).clamp(min=1e-5).half()
    zero = (-low / scale.float()).round().clamp(0, 15)
    codes = (groups / scale.float()[..., None] + zero[..., None]).round().clamp(0, 15)
    return codes.reshape(w.shape).int(), zero.int(), scale


def decode(codes, low, scale):
    groups = codes.reshape(codes.shape[0], -1, GROUP).float()
    return (groups * scale.float()[..., None] + low.float()[..., None]).reshape(codes.shape)


def nibbles(x, order):
    """[rows, 8 words] to int32 [rows, words]; nibble i holds element order[i]."""
    x = x.numpy().astype(numpy.uint32).reshape(x.shape[0], -1, 8)
    words = sum(x[:, :, order[i]] << numpy.uint32(4 * i) for i in range(8))
    return torch.from_numpy(words.astype(numpy.uint32).view(numpy.int32).copy())


def padded(x):
    """Groups up to whole words of 8."""
    return torch.nn.functional.pad(x, (0, -x.shape[1] % 8))


def pack_gemm(codes, zero, scale):
    return {"qweight": nibbles(codes.T, INTERLEAVED), "qzeros": nibbles(zero.T, INTERLEAVED),
            "scales": scale.T.contiguous()}


def pack_gemv(codes, zero, scale):
    plain = list(range(8))
    return {"qweight": nibbles(codes, plain), "qzeros": nibbles(padded(zero), plain),
            "scales": padded(scale)}


def pack_fast(codes, zero, scale):
    n, k = codes.shape
    x = codes.numpy().reshape(n, k // 32, 4, 4, 2).transpose(0, 1, 3, 2, 4)
    x = x.reshape(n, k // 32, 4, 4, 2).transpose(0, 1, 2, 4, 3).reshape(n, k)
    x = x.reshape(n // 4, 4, k // 64, 64).transpose(0, 2, 1, 3).reshape(n // 4, k, 4)
    words = sum(x[..., i].astype(numpy.uint16) << numpy.uint16(4 * i) for i in range(4))
    return {"qweight": torch.from_numpy(words.astype(numpy.uint16).view(numpy.int16).copy()),
            "scaled_zeros": padded(low_of("gemv_fast", zero, scale)).T.contiguous(),
            "scales": padded(scale).T.contiguous()}


def low_of(version, zero, scale):
    low = -zero.float() * scale.float()
    return low.half() if version == "gemv_fast" else low


PACK = {"gemm": pack_gemm, "gemv": pack_gemv, "gemv_fast": pack_fast}


class Int4Linear(torch.nn.Module):
    """Scale and low end in bf16, inputs in 8 bits; sums in f32, rounded once."""

    def __init__(self, codes, low, scale, bias):
        super().__init__()
        rounded = scale.float().bfloat16().float()
        low = (low.float() - 7.5 * (rounded - scale.float())).bfloat16()
        self.w, self.bias = decode(codes, low, rounded), bias

    def forward(self, x):
        groups = x.float().reshape(*x.shape[:-1], -1, GROUP)
        step = groups.abs().amax(-1, keepdim=True).clamp(min=1e-30) / 127
        y = ((groups / step).round() * step).reshape(x.shape) @ self.w.T
        return (y if self.bias is None else y + self.bias.float()).to(x.dtype)


class Awq:
    """Stands in for what make_reference.py does to the weights of a model."""

    def __init__(self, version):
        self.version, self.coded = version, {}
        self.round_weights, self.save_model = reference.round_weights, reference.save_model

    def round(self, model, dtype):
        self.round_weights(model, dtype)
        with torch.no_grad():
            for name, p in model.named_parameters():
                if is_coded(name, p):
                    codes, zero, scale = quantise(p)
                    self.coded[name] = codes, zero, scale
                    p.copy_(decode(codes, low_of(self.version, zero, scale), scale))

    def save(self, model, s, folder):
        self.save_model(model, s, folder)
        path = folder / "model.safetensors"
        state = load_file(path)
        for name, numbers in self.coded.items():
            name = reference.old_name(name) if s["spelling"] == 4 else name
            del state[name]
            for part, tensor in PACK[self.version](*numbers).items():
                state[name.removesuffix("weight") + part] = tensor.contiguous()
        save_file(state, path, {"format": "pt"})
        config = json.loads((folder / "config.json").read_text())
        config["quantization_config"] = {
            "bits": 4, "group_size": GROUP, "quant_method": "awq", "version": self.version,
            "zero_point": True,
            "modules_to_not_convert": ["vision_tower", "multi_modal_projector"]}
        (folder / "config.json").write_text(json.dumps(config, indent=1))

    def naive(self, model, ids, pixels):
        half = copy.deepcopy(model)
        for name, (codes, zero, scale) in self.coded.items():
            name = name.removesuffix(".weight")
            parent, child = name.rsplit(".", 1)
            low = low_of(self.version, zero, scale)
            setattr(half.get_submodule(parent), child, Int4Linear(
                codes, low, scale, half.get_submodule(name).bias))
        return reference.bf16_logits(half, ids, pixels)


def make(folder, version, s, seed):
    awq = Awq(version)
    logits = {}
    bf16_logits = reference.bf16_logits

    def both(model, ids, pixels):
        reference.bf16_logits = bf16_logits
        logits["prompt_logits_int4"] = awq.naive(model, ids, pixels).contiguous()
        return bf16_logits(model, ids, pixels)

    reference.round_weights, reference.save_model = awq.round, awq.save
    reference.bf16_logits = both
    try:
        reference.make(folder, s, seed)
    finally:
        reference.round_weights, reference.save_model = awq.round_weights, awq.save_model
        reference.bf16_logits = bf16_logits
    path = folder / "expected.safetensors"
    save_file(load_file(path) | logits, path)


def draw(index, version):
    family = ["llama", "mistral", "qwen2"][index % 3]
    return dict(
        clip=bool(index % 2), family=family, patch=7, heads=4, kv_heads=2, image=21,
        tower_heads=2, tower_hidden=16, tower_ffn=40, tower_layers=2, select=-2, full=False,
        projector_bias=True, head_dim=64, hidden=256, ffn=[384, 1280][index % 2], layers=2,
        window=None, rope="default", tied=False, attention_bias=True, mlp_bias=True,
        dtype="float16", shards=1, spelling=4 + index % 2, tokenizer="bpe", frames=2,
        size=(40, 30), vocab=300, prompt="<image>\nWhat?")


# Two groups in a row of every matrix, so that two ranks can share them.
CHECKED_IN = dict(
    clip=False, family="llama", patch=6, heads=4, kv_heads=4, image=12, tower_heads=2,
    tower_hidden=16, tower_ffn=24, tower_layers=2, select=-1, full=True,
    projector_bias=True, head_dim=64, hidden=256, ffn=256, layers=1, window=None,
    rope="default", tied=True, attention_bias=False, mlp_bias=False, dtype="float16",
    shards=1, spelling=4, tokenizer="bpe", frames=2, size=(20, 16), vocab=280,
    prompt="<image>\nWhat?")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checked-in", action="store_true")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    if options.checked_in:
        make(options.out / "awq-gemm-llama", "gemm", dict(CHECKED_IN), 7)
        return
    for index, version in enumerate(list(PACK) * 2):
        s = draw(options.seed + index + index // 3, version)
        name = f"{options.seed}-{index}-awq-{version}-{s['family']}-t{s['spelling']}"
        make(options.out / name, version, s, options.seed * 100 + index)
        print(name)


if __name__ == "__main__":
    main()
