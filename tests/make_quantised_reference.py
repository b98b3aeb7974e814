#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes folders for check-reference out of what neva-eval quantises: random
checkpoints are calibrated, quantised and saved by it, read back here from the
descriptions of AutoAWQ's and compressed-tensors' files, and computed by PyTorch.

  make_quantised_reference.py OUT --neva-eval PROGRAM [--seed 1]
  make_quantised_reference.py OUT --neva-eval PROGRAM --checked-in

The second makes the folders of tests/data. Needs what make_reference.py needs;
with the package compressed-tensors, 8-bit folders are opened by transformers, too,
and their numbers must be those that were read here.
"""
import argparse
import importlib.util
import json
import pathlib
import shutil
import subprocess
import tempfile

import numpy
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

import make_reference as reference

GROUP = 128
NIBBLE_OF = [0, 4, 1, 5, 2, 6, 3, 7]  # of output 0, 1, … in a word


def nibbles(words):
    """int32 [rows, n/8] to [rows, n]."""
    words = words.numpy().view(numpy.uint32)
    parts = [words >> numpy.uint32(4 * i) & numpy.uint32(15) for i in NIBBLE_OF]
    return numpy.stack(parts, -1).reshape(words.shape[0], -1).astype(numpy.float32)


def decode_awq(state, stem):
    codes, zeros = nibbles(state[stem + "qweight"]), nibbles(state[stem + "qzeros"])
    scales = state[stem + "scales"].float().numpy()
    w = (codes - zeros.repeat(GROUP, 0)) * scales.repeat(GROUP, 0)
    return torch.from_numpy(w.T.copy())


def decode_int8(state, stem):
    return state[stem + "weight"].float() * state[stem + "weight_scale"].float()


def decode(folder):
    """The numbers that a folder's tensors stand for, and how many were codes."""
    state, out, coded = load_file(folder / "model.safetensors"), {}, 0
    for name, tensor in state.items():
        stem = name[:name.rfind(".") + 1]
        if name.endswith(".qweight"):
            out[stem + "weight"] = decode_awq(state, stem)
        elif name.endswith(".weight") and tensor.dtype == torch.int8:
            out[name] = decode_int8(state, stem)
        elif not name.endswith((".qzeros", ".scales", ".weight_scale")):
            out[name] = tensor.float()
            continue
        else:
            continue
        coded += 1
    return out, coded


def new_name(name):
    return (name.replace("language_model.model.", "model.language_model.")
            .replace("language_model.lm_head", "lm_head")
            .replace("vision_tower.vision_model.", "model.vision_tower.")
            .replace("multi_modal_projector.", "model.multi_modal_projector."))


def quantise(program, source, folder, algorithm, frames):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for i, frame in enumerate(frames):
            Image.fromarray(frame).save(work / f"{i}.png")
        (work / "p.jsonl").write_text("".join(
            json.dumps({"image": f"{i}.png", "prompt": "<image>\nWhat?"}) + "\n"
            for i in range(len(frames))))
        subprocess.run([
            program, f"neva_model_file={source}", f"prompt_file={work}/p.jsonl",
            f"output_file={work}/o.jsonl", f"inference.media_base_path={work}",
            "inference.media_type=image", "inference.greedy=True", "weights=f32", "quiet=True",
            "inference.tokens_to_generate=16", "quantization.enable=True",
            f"quantization.algorithm={algorithm}", f"quantization.save={folder}"], check=True)


def check_with_compressed_tensors(folder, numbers):
    if not importlib.util.find_spec("compressed_tensors"):
        print("  compressed-tensors is not there")
        return
    model = transformers.LlavaForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32).eval()
    model(input_ids=torch.tensor([[5, 6]]))  # the codes are made numbers now
    state = model.state_dict()
    wrong = [n for n, w in numbers.items() if n in state and not torch.equal(state[n], w)]
    assert not wrong, wrong
    print(f"  transformers with compressed-tensors: the same {len(state)} tensors")


def expect(model, s, source, folder):
    """What check-reference compares; the margin of the greedy choices."""
    old = load_file(source / "expected.safetensors")
    ids, pixels = old["input_ids"][None], old["pixel_values"]
    logits, steps, greedy = reference.generate(model, ids, pixels)
    hidden = reference.tower_rows(model, s, pixels)
    projected = model.model.multi_modal_projector(hidden)
    save_file({
        "frames": old["frames"], "resized": old["resized"], "pixel_values": pixels,
        "vision_hidden": hidden.contiguous(),
        "projected": projected.reshape(-1, projected.shape[-1]).contiguous(),
        "input_ids": old["input_ids"], "prompt_logits": logits.contiguous(),
        "prompt_logits_bf16": reference.bf16_logits(model, ids, pixels).contiguous(),
        "step_logits": steps, "greedy_ids": torch.tensor(greedy)},
        folder / "expected.safetensors")
    for name in ("expected.json", "tokenizer_vectors.json"):
        shutil.copy(source / name, folder / name)
    best = steps.topk(2).values
    return float((best[:, 0] - best[:, 1]).min())


def attempt(folder, program, algorithm, s, seed):
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as source:
        source = pathlib.Path(source) / "model"
        reference.make(source, s, seed)
        frames = load_file(source / "expected.safetensors")["frames"].numpy()
        quantise(program, source, folder, algorithm, frames)
        model = transformers.LlavaForConditionalGeneration.from_pretrained(
            source, dtype=torch.float32).eval()
        state, coded = decode(folder)
        state = {new_name(n): w for n, w in state.items()}
        missing, unknown = model.load_state_dict(state, strict=False)
        assert not unknown and all("position_ids" in n or "lm_head" in n for n in missing), \
            (missing, unknown)
        margin = expect(model, s, source, folder)
    return margin, coded, state


def make(folder, program, algorithm, s, seed):
    margin, tries = 0, 0
    while margin < reference.MARGIN:
        margin, coded, state = attempt(folder, program, algorithm, dict(s), seed + 1000 * tries)
        tries += 1
    print(f"{folder.name}: {coded} matrices of codes")
    if algorithm == "int8_sq":
        check_with_compressed_tensors(folder, state)


def draw(index, algorithm):
    family = ["llama", "mistral", "qwen2"][index % 3]
    wide = algorithm == "awq"
    return dict(
        clip=bool(index % 2), family=family, patch=7, heads=4, kv_heads=[4, 2, 1][index % 3],
        image=21, tower_heads=2, tower_hidden=128 if wide else 24, tower_ffn=[128, 40][index % 2],
        tower_layers=2, select=-2, full=False, projector_bias=True, head_dim=32,
        hidden=128 if wide else 72, ffn=[256, 300][index % 2], layers=2, window=None,
        rope="default", tied=bool(index % 2), attention_bias=family == "llama",
        mlp_bias=family == "llama", dtype=["bfloat16", "float16", "float32"][index % 3], shards=1,
        spelling=4 + index % 2, tokenizer="bpe", frames=2, size=(40, 30), vocab=300,
        prompt="<image>\nWhat?")


# A value head for two query heads; one layer of 128, so that it is small.
CHECKED_IN = {
    "quantised-awq-llama": ("awq", dict(
        clip=False, family="llama", patch=6, heads=4, kv_heads=2, image=12, tower_heads=2,
        tower_hidden=16, tower_ffn=24, tower_layers=2, select=-1, full=True,
        projector_bias=True, head_dim=32, hidden=128, ffn=128, layers=1, window=None,
        rope="default", tied=True, attention_bias=False, mlp_bias=False, dtype="float16",
        shards=1, spelling=4, tokenizer="bpe", frames=2, size=(20, 16), vocab=280,
        prompt="<image>\nWhat?")),
    "quantised-int8-qwen2": ("int8_sq", dict(
        clip=True, family="qwen2", patch=7, heads=4, kv_heads=2, image=17, tower_heads=2,
        tower_hidden=16, tower_ffn=40, tower_layers=2, select=-2, full=False,
        projector_bias=True, head_dim=10, hidden=24, ffn=40, layers=2, window=None,
        rope="default", tied=False, attention_bias=True, mlp_bias=False, dtype="bfloat16",
        shards=1, spelling=5, tokenizer="bpe", frames=2, size=(30, 22), vocab=280,
        prompt="<image>\nWhat?")),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--neva-eval", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checked-in", action="store_true")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.checked_in:
        for name, (algorithm, s) in CHECKED_IN.items():
            make(options.out / name, options.neva_eval, algorithm, s, 7)
        return
    for index in range(6):
        for algorithm in ("awq", "int8_sq"):
            s = draw(options.seed + index, algorithm)
            name = f"{options.seed}-{index}-{algorithm}-{s['family']}-t{s['spelling']}"
            make(options.out / name, options.neva_eval, algorithm, s,
                 options.seed * 100 + index)


if __name__ == "__main__":
    main()
