#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""write_gguf.py bf16|q8_0|q4_0 FILE

Writes a Llama of the benchmarks' shape (22 x 2048, 32/4 heads, 5632, 32000) with
random weights as GGUF version 3. Needs numpy."""
import struct
import sys

import numpy as np

HIDDEN, LAYERS, HEADS, KV_HEADS, FFN, VOCAB = 2048, 22, 32, 4, 5632, 32000
ALIGN = 32
F32, Q4_0, Q8_0, BF16 = 0, 2, 8, 30  # ggml's numbers of the types
FILE_TYPE = {"bf16": 32, "q8_0": 7, "q4_0": 2}
UINT32, FLOAT32, STRING = 4, 6, 8  # GGUF's numbers of the value types


def text(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, kind, value):
    if kind == STRING:
        return text(key) + struct.pack("<I", kind) + text(value)
    code = "<If" if kind == FLOAT32 else "<II"
    return text(key) + struct.pack(code, kind, value)


def metadata(form):
    p = "llama."
    return [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, "synthetic-1.1b"),
        entry("general.file_type", UINT32, FILE_TYPE[form]),
        entry(p + "block_count", UINT32, LAYERS),
        entry(p + "context_length", UINT32, 4096),
        entry(p + "embedding_length", UINT32, HIDDEN),
        entry(p + "feed_forward_length", UINT32, FFN),
        entry(p + "attention.head_count", UINT32, HEADS),
        entry(p + "attention.head_count_kv", UINT32, KV_HEADS),
        entry(p + "attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
        entry(p + "rope.dimension_count", UINT32, HIDDEN // HEADS),
        entry(p + "vocab_size", UINT32, VOCAB),
        entry("tokenizer.ggml.model", STRING, "no_vocab"),
    ]


def tensors():
    """(name, rows, columns); rows 0: a vector."""
    kv = HIDDEN // HEADS * KV_HEADS
    yield "token_embd.weight", VOCAB, HIDDEN
    yield "output_norm.weight", 0, HIDDEN
    yield "output.weight", VOCAB, HIDDEN
    for i in range(LAYERS):
        b = f"blk.{i}."
        yield b + "attn_norm.weight", 0, HIDDEN
        yield b + "attn_q.weight", HIDDEN, HIDDEN
        yield b + "attn_k.weight", kv, HIDDEN
        yield b + "attn_v.weight", kv, HIDDEN
        yield b + "attn_output.weight", HIDDEN, HIDDEN
        yield b + "ffn_norm.weight", 0, HIDDEN
        yield b + "ffn_gate.weight", FFN, HIDDEN
        yield b + "ffn_up.weight", FFN, HIDDEN
        yield b + "ffn_down.weight", HIDDEN, FFN


def encode(form, x):
    """f32 [n] to the bytes of the form; n is a multiple of 32."""
    if form == "bf16":
        return ((x.view(np.uint32) + 0x8000) >> 16).astype("<u2").tobytes()
    blocks = x.reshape(-1, 32)
    top = np.abs(blocks).max(axis=1, keepdims=True)
    if form == "q8_0":
        scale = (top / 127).astype(np.float16)
        q = np.rint(blocks / scale.astype(np.float32)).clip(-127, 127)
        codes = q.astype(np.int8).view(np.uint8)
    else:
        scale = (top / 8).astype(np.float16)
        q = (np.rint(blocks / scale.astype(np.float32)) + 8).clip(0, 15)
        q = q.astype(np.uint8)
        codes = q[:, :16] | q[:, 16:] << 4
    raw = np.concatenate([scale.view(np.uint8).reshape(-1, 2), codes], axis=1)
    return raw.tobytes()


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in FILE_TYPE:
        sys.exit(__doc__)
    form, path = sys.argv[1:]
    kind = {"bf16": BF16, "q8_0": Q8_0, "q4_0": Q4_0}[form]
    block = np.random.default_rng(1).standard_normal(HIDDEN * FFN // 2)
    block = (block * 0.02).astype(np.float32)
    size = {"bf16": (1, 2), "q8_0": (32, 34), "q4_0": (32, 18)}[form]
    encoded = encode(form, block)

    infos, offset, items = [], 0, list(tensors())
    for name, rows, columns in items:
        dims = (columns, rows) if rows else (columns,)
        count = columns * max(rows, 1)
        info = text(name) + struct.pack("<I", len(dims))
        info += struct.pack(f"<{len(dims)}Q", *dims)
        info += struct.pack("<IQ", kind if rows else F32, offset)
        infos.append(info)
        bytes_ = count // size[0] * size[1] if rows else count * 4
        offset += (bytes_ + ALIGN - 1) // ALIGN * ALIGN

    meta = metadata(form)
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(items), len(meta)))
        f.write(b"".join(meta) + b"".join(infos))
        f.write(b"\0" * (-f.tell() % ALIGN))
        for name, rows, columns in items:
            if rows:
                left = rows * columns // size[0] * size[1]
                while left:
                    left -= f.write(encoded[:left])
            else:
                f.write(np.ones(columns, "<f4").tobytes())
            f.write(b"\0" * (-f.tell() % ALIGN))


main()
