#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes folders for check-reference: tiny random NeMo checkpoints and what a
model written from NeMo's description computes with them.

  make_nemo_reference.py OUT [--seed 1] [--mcore]
  make_nemo_reference.py OUT --checked-in          the folders of tests/data

Needs PyPI's torch, transformers, Pillow and sentencepiece (made with torch 2.15,
transformers 5.23). The decoder here is plain PyTorch that works on the unsplit
tensors as they are named and laid out on disk; --mcore compares it with
megatron-core 0.10 (PyPI, runs on a CPU), which must be importable then. Each
folder holds model.nemo (or projector.nemo and base_llm.nemo), expected.safetensors
and expected.json, and a folder beside them the vision tower.
"""
import argparse
import contextlib
import io
import json
import pathlib
import random
import re
import shutil
import tarfile
import tempfile

import numpy
import torch
import torch.distributed.checkpoint as dcp
import transformers
from safetensors.torch import save_file

import make_reference as common
import nemo_clip
from nemo_tokenizers import make_tokenizer, make_vectors
from nemo_model import (check_mcore, decode, lita, make_lora, make_projector, make_weights,
                        padded, project)

MARGIN = 5e-4
# What each folder is about; everything else is drawn.
KINDS = ["tp4", "legacy", "legacy-swiglu-tp2", "lora", "lora-unfused-tp2", "gpt2bpe",
         "siglip", "bf16", "bias-shared-pp2", "interpolated", "sp-legacy",
         "huggingface", "projector-lora", "lita-pool", "lita-spatial", "lita-all",
         "clip", "clip-mcore", "clip-tp2", "clip-inside",
         "lita-ends", "lita-ends-outside", "gelu", "legacy-apart", "identity", "moe-tp2",
         "torch_dist", "zarr", "torch_dist-moe", "zarr-moe", "layernorm", "qkv-bias"]
MEDIA = {"default": ["<extra_id_%d>" % i for i in (3, 4, 5)],
         "llama_3": ["<|reserved_special_token_%d|>" % i for i in (3, 4, 5)]}
# Small enough for the repository.
CHECKED_IN = ["legacy-swiglu-tp2", "lora-unfused-tp2", "gpt2bpe", "sp-legacy", "lita-pool",
              "clip-tp2", "lita-ends", "projector-lora"]
SMALL = dict(layers=2, hidden=32, head_dim=8, ffn=32, heads=2, groups=2, image=14, patch=7,
             size=(20, 16), tower_layers=2, tower_hidden=12, tower_heads=2, tower_ffn=16,
             select=-2, pieces=330, steps=6)
PROMPTS = {
    "v1": "Hello there. USER: Can you describe the scene?<video> ASSISTANT:",
    "llama_2": " [INST] Can you describe the scene?<video> [/INST]",
    "nvgpt": "<extra_id_0>System\nHello there\n\n<extra_id_1>User\nWhat is it?<video>\n"
             "<extra_id_1>Assistant\n",
    "llama_3": "<|begin_of_text|>What is it?<video><|eot_id|>",
}


def draw(rng, kind):
    groups = rng.choice([1, 2, 4]) if "tp" not in kind else 4
    heads = groups * rng.choice([1, 2])
    gated = rng.random() < 0.6 or "swiglu" in kind or "unfused" in kind
    s = dict(
        kind=kind, tp=1, pp=1, layers=4, heads=heads, groups=groups,
        head_dim=rng.choice([8, 12, 16]), hidden=rng.choice([32, 48, 64]),
        ffn=rng.choice([64, 96]), gated=gated,
        norm=rng.choice(["rmsnorm", "layernorm1p", "layernorm1p"]),
        bias=False, shared=False, rotary=rng.choice([0.5, 1.0]),
        base=rng.choice([10000, 500000]), factor=1, dtype="float32", legacy=False,
        template=rng.choice(["v1", "llama_2", "nvgpt"]), clip=True,
        projector=rng.choice(["linear", "mlp2x_gelu", "mlp3x_gelu", "mlp_downsample"]),
        im_start_end=rng.random() < 0.3, tokenizer="sentencepiece", lora=None, lita=None, megatron=None,
        ends=False, fused=False, openai=False, experts=0, qkv_bias=False, dist=None, times=False, tidy=rng.random() < 0.4,
        frames=rng.choice([2, 3]), image=28, patch=7, size=(44, 30), tower_layers=3,
        tower_hidden=24, tower_heads=3, tower_ffn=40, select=rng.choice([-2, -1, 2]),
        full=rng.random() < 0.2, pieces=400, steps=12)
    s["act"] = "silu" if gated else rng.choice(["squared-relu", "gelu"])
    if "tp4" in kind:
        s["tp"] = 4
    if "tp2" in kind:
        s["tp"] = 2
    if "pp2" in kind:
        s["pp"] = 2
    if "legacy" in kind and not kind.startswith("sp"):
        # the legacy model has no groups and one rotary base
        s.update(legacy=True, groups=heads, base=10000)
    if "bias" in kind:
        s.update(bias=True, shared=True)
    if kind == "interpolated":
        s["factor"] = 4
    if kind == "bf16":
        s["dtype"] = "bfloat16"
    if s["projector"] == "mlp_downsample":
        s["full"] = False  # a class token is no part of the grid
    if kind == "siglip":
        s.update(clip=False, full=True)
    if "lora" in kind:
        s["lora"] = "unfused" if "unfused" in kind else "fused"
    if kind == "gpt2bpe":
        s.update(tokenizer="gpt2", template="nvgpt")
    if kind == "sp-legacy":
        s.update(tokenizer="sp-legacy", template="nvgpt")
    if kind == "huggingface":
        s.update(tokenizer="huggingface", template="llama_3")
    if kind.startswith("clip"):
        # 47 x 30 leaves an odd rest to be cropped
        s.update(megatron=nemo_clip.draw(rng, kind), full=False, size=(47, 30), tower_heads=4)
    if kind.startswith("lita"):
        s.update(lita={"lita-pool": "temporal_spatial_pool",
                       "lita-spatial": "temporal_spatial"}.get(kind, "temporal_all_resolution"),
                 ends="ends" in kind,
                 full=False, frames=5, sample_frames=3, projector="mlp2x_gelu",
                 im_start_end="outside" in kind)
    if kind == "lita-all":
        s.update(times=True, pieces=560)
    if kind == "gelu":
        s.update(act=rng.choice(["gelu", "approx-gelu", "geglu"]), fused=rng.random() < 0.5,
                 openai=rng.random() < 0.3, bias=rng.random() < 0.6)
        s["gated"] = s["act"] == "geglu"
    if kind == "identity":
        s.update(projector="identity", tower_hidden=s["hidden"], tower_heads=4)
    s["dist"] = next((d for d in ("torch_dist", "zarr") if d in kind), None)
    if s["dist"]:
        s.update(dtype=rng.choice(["float32", "bfloat16"]))
    if kind == "layernorm":
        s.update(norm="layernorm")
    if kind == "qkv-bias":
        s.update(qkv_bias=True)
    if "moe" in kind:
        s.update(experts=4, gated=True, act="silu", norm="rmsnorm")
    return s


# ---- Vision -------------------------------------------------------------------


def make_tower(s, folder, seed):
    config = (transformers.CLIPVisionConfig if s["clip"] else transformers.SiglipVisionConfig)(
        hidden_size=s["tower_hidden"], intermediate_size=s["tower_ffn"],
        num_hidden_layers=s["tower_layers"], num_attention_heads=s["tower_heads"],
        image_size=s["image"], patch_size=s["patch"])
    config._attn_implementation = "eager"
    cls = transformers.CLIPVisionModel if s["clip"] else transformers.SiglipVisionModel
    tower = cls(config).eval()
    tower.tie_weights = lambda *a, **k: None
    common.randomize(tower, seed)
    tower.save_pretrained(folder)
    common.save_preprocessor(dict(s, spelling=5), folder)
    return tower


def encode_frames(s, folder, seed, pixels):
    """Hidden states without the rows that are dropped, and tensors that the NeVA
    checkpoint has of the tower."""
    if not s["megatron"]:
        tower = make_tower(s, folder / "tower", seed)
        hidden = tower(pixels, output_hidden_states=True).hidden_states[s["select"]]
        return hidden if s["full"] else hidden[:, 1:], {}
    c = s["megatron"]
    w = nemo_clip.make(s, torch.Generator().manual_seed(seed))
    states = nemo_clip.states(s, w)
    if c["inside"]:
        states = [{"model.logit_scale": torch.ones([])}]
    save_archive(folder / "clip.nemo", nemo_clip.config(s), {}, {
        f"mp_rank_{i:02}/" if len(states) > 1 else "": x for i, x in enumerate(states)})
    own = {"embedding.word_embeddings.vision_encoder." + n: x
           for n, x in nemo_clip.saved(s, w).items()} if c["inside"] else {}
    return nemo_clip.run(s, w, pixels)[:, c["tokens"]:], own


# ---- Files --------------------------------------------------------------------

LEGACY = [("decoder.final_layernorm", "language_model.encoder.final_layernorm"),
          ("decoder.layers", "language_model.encoder.layers"),
          ("embedding.", "language_model.embedding."),
          ("output_layer", "language_model.output_layer"),
          ("self_attention.linear_qkv.layer_norm_", "input_layernorm."),
          ("mlp.linear_fc1.layer_norm_", "post_attention_layernorm."),
          ("self_attention.linear_qkv", "self_attention.query_key_value"),
          ("self_attention.linear_proj", "self_attention.dense"),
          ("mlp.linear_fc1", "mlp.dense_h_to_4h"), ("mlp.linear_fc2", "mlp.dense_4h_to_h")]


def rank_part(s, name, x, rank):
    """A tensor-parallel rank's share."""
    n = s["tp"]

    def rows(x):
        return x.chunk(n)[rank]

    if "adapter_layer.lora" in name:
        if name.endswith("linear_in.weight") and ("dense" in name or "4htoh" in name):
            return x.chunk(n, 1)[rank]
        if name.endswith("linear_out.weight") and "lora_hto4h" in name and s["gated"]:
            return torch.cat([rows(half) for half in x.chunk(2)])
        return rows(x)
    if "norm" in name or "mm_projector" in name or "router" in name or n == 1:
        return x
    if "linear_fc1" in name and s["gated"]:
        return torch.cat([rows(half) for half in x.chunk(2)])
    if "linear_proj.bias" in name or "linear_fc2.bias" in name:
        return x
    return x.chunk(n, 1)[rank] if "linear_proj" in name or "linear_fc2" in name else rows(x)


def stage_name(s, name, stage):
    """None: not on this pipeline stage; else the name there."""
    per = s["layers"] // s["pp"]
    if ".layers." in name:
        head, number, tail = name.split(".layers.")[0], *name.split(".layers.")[1].split(".", 1)
        inside = int(number) // per == stage
        return f"{head}.layers.{int(number) % per}.{tail}" if inside else None
    first = "embedding" in name
    return name if stage == (0 if first else s["pp"] - 1) else None


def saved_name(s, name):
    if s["legacy"]:
        for a, b in LEGACY:
            name = name.replace(a, b)
    return "model." + name


def rank_state(s, w, rank, stage):
    state = {}
    for name, x in w.items():
        here = stage_name(s, name, stage)
        if here is None:
            continue
        part = rank_part(s, name, x, rank).to(getattr(torch, s["dtype"])).clone()
        if "apart" in s["kind"] and "linear_qkv." in name and "norm" not in name:
            # megatron_legacy: all queries, all keys, all values
            part = part.view(s["heads"], 3, -1, *part.shape[1:]).transpose(0, 1).reshape(part.shape)
        if "swiglu" in s["kind"] and "linear_fc1.weight" in name:
            # not "fast": the second matrix has a name of its own
            gate, up = part.chunk(2)
            state[saved_name(s, here)] = gate.clone()
            state[saved_name(s, here).replace("_4h.", "_4h_2.")] = up.clone()
            continue
        name = saved_name(s, here)
        if s["legacy"] and s["projector"] == "linear":
            # as it was called once
            name = name.replace("mm_projector_adapter.mm_projector.", "mm_linear_adapter.linear.")
        state[name] = part
    if s["shared"] and stage and stage == s["pp"] - 1:
        state["model.output_layer.weight"] = rank_part(
            s, "output_layer", w["embedding.word_embeddings.weight"], rank).clone()
    state["model.decoder.layers.0.self_attention._extra_state"] = None
    return state


def stack_layers(state):
    """As distributed checkpoints name tensors: layers, and experts, are axes."""
    out, parts = {}, {}
    for name, x in state.items():
        if x is None or not isinstance(x, torch.Tensor):
            continue
        at = re.search(r"\.layers\.(\d+)\.", name)
        expert = re.search(r"local_experts\.(\d+)\.", name)
        if not at:
            out[name] = x
            continue
        name = name.replace(at[0], ".layers.")
        name = name.replace(expert[0], "experts.") if expert else name
        parts.setdefault(name, {})[int(at[1]), int(expert[1]) if expert else 0] = x
    for name, xs in parts.items():
        layers = 1 + max(i for i, _ in xs)
        x = torch.stack([xs[k] for k in sorted(xs)])
        out[name] = x.view(layers, -1, *x.shape[1:]) if "experts." in name else x
    return out


def write_zarr(folder, name, x):
    """Two chunks along the second axis, the last one padded."""
    where, axis = folder / name, min(1, x.dim() - 1)
    where.mkdir()
    step = (x.shape[axis] + 1) // 2
    kind = {torch.float32: "<f4", torch.bfloat16: "bfloat16"}[x.dtype]
    shape = [*x.shape[:axis], step, *x.shape[axis + 1:]]
    (where / ".zarray").write_text(json.dumps({
        "zarr_format": 2, "shape": list(x.shape), "chunks": shape, "dtype": kind, "order": "C",
        "compressor": None, "fill_value": None, "filters": None}))
    for i in range((x.shape[axis] + step - 1) // step):
        part = x.narrow(axis, i * step, min(step, x.shape[axis] - i * step))
        full = torch.zeros(shape, dtype=x.dtype)
        full.narrow(axis, 0, part.shape[axis]).copy_(part)
        key = ".".join(str(i) if k == axis else "0" for k in range(x.dim()))
        (where / key).write_bytes(full.view(torch.uint8).numpy().tobytes())


def distributed_files(s, state):
    """model_weights/ of a distributed checkpoint: name -> bytes."""
    state = {n: x.contiguous() for n, x in stack_layers(state).items()}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if s["dist"] == "zarr":
            for key, x in state.items():
                write_zarr(folder, key, x)
        else:
            dcp.save(state, storage_writer=dcp.FileSystemWriter(folder), no_dist=True)
        (folder / "metadata.json").write_text(json.dumps({
            "sharded_backend": s["dist"], "sharded_backend_version": 1,
            "common_backend": "torch", "common_backend_version": 1}))
        torch.save({"iteration": 1}, folder / "common.pt")
        return {"model_weights/" + str(p.relative_to(folder)): p.read_bytes()
                for p in sorted(folder.rglob("*")) if p.is_file()}


def save_archive(path, config, files, states):
    """states: folder of a rank -> what its model_weights.ckpt holds."""
    with tarfile.open(path, "w") as tar:
        def add(name, data):
            info = tarfile.TarInfo("./" + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))

        for name, data in files.items():
            add(name, data)
        add("model_config.yaml", yaml_text(config).encode())
        for folder, state in states.items():
            data = io.BytesIO()
            torch.save(state, data)
            add(folder + "model_weights.ckpt", data.getvalue())


def save_nemo(path, s, w, config, files):
    states = {}
    if s["dist"]:
        files = files | distributed_files(s, rank_state(s, w, 0, 0))
        return save_archive(path, config, files, {})
    for stage in range(s["pp"]):
        for rank in range(s["tp"]):
            folder = (f"tp_rank_{rank:02}_pp_rank_{stage:03}/" if s["pp"] > 1
                      else f"mp_rank_{rank:02}/" if s["tp"] > 1 else "")
            states[folder] = rank_state(s, w, rank, stage)
    save_archive(path, config, files, states)


def yaml_text(value, indent=0):
    """Nested mappings; everything else as JSON, which YAML reads."""
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines.append(" " * indent + key + ":\n" + yaml_text(item, indent + 2))
        else:
            lines.append(" " * indent + f"{key}: {json.dumps(item)}\n")
    return "".join(lines)


def make_config(s, tokenizer, tower):
    act = {"silu": "swiglu" if "swiglu" in s["kind"] else "fast-swiglu",
           "geglu": "fast-geglu"}.get(s["act"], s["act"])
    c = {"mcore_gpt": not s["legacy"], "encoder_seq_length": 512,
         "max_position_embeddings": 512, "num_layers": s["layers"],
         "hidden_size": s["hidden"], "ffn_hidden_size": s["ffn"],
         "num_attention_heads": s["heads"], "num_query_groups": s["groups"],
         "kv_channels": s["head_dim"], "normalization": s["norm"],
         "layernorm_epsilon": 1e-5, "activation": act, "bias": s["bias"],
         "qkv_bias": s["qkv_bias"],
         "bias_activation_fusion": s["fused"], "openai_gelu": s["openai"],
         "megatron_legacy": "apart" in s["kind"],
         "share_embeddings_and_output_weights": s["shared"],
         "position_embedding_type": "rope", "rotary_percentage": s["rotary"],
         "rotary_base": s["base"], "make_vocab_size_divisible_by": 16,
         "tensor_model_parallel_size": s["tp"], "pipeline_model_parallel_size": s["pp"],
         "unknown_key": {"of": ["some", "later", "version"]}}
    if s["factor"] != 1:
        c["seq_len_interpolation_factor"] = s["factor"]
    if s["experts"]:
        c.update(num_moe_experts=s["experts"], moe_router_topk=2)
    c["tokenizer"] = tokenizer
    c["mm_cfg"] = {
        "llm": {"from_pretrained": None, "freeze": "projector" in s["kind"],
                "model_type": "llama_3" if s["template"] == "llama_3" else s["template"]},
        "mm_mlp_adapter_type": s["projector"], "use_im_start_end": s["im_start_end"],
        "vision_encoder": {
            "from_pretrained": "clip.nemo" if s["megatron"] else tower,
            "from_hf": not s["megatron"], "patch_dim": s["patch"],
            "hidden_size": s["tower_hidden"], "vision_select_layer": s["select"],
            "vision_select_feature": "cls_patch" if s["full"] and s["clip"] else "patch",
            "class_token_length": (s["megatron"]["tokens"] if s["megatron"]
                                   else 1 if s["clip"] else 0), "freeze": True,
            "crop_size": [s["image"], s["image"]]}}
    if s["lita"]:
        c["mm_cfg"].update(use_lita=True, lita={
            "lita_video_arch": s["lita"],
            "visual_token_format": "im_vid_start_end" if s["ends"] else "v1",
            "sample_frames": s["sample_frames"]})
    c["data"] = {"media_type": "video", "splice_single_frame": None, "num_frames": s["frames"],
                 "conv_template": s["template"], "image_aspect_ratio": "square",
                 "num_time_tokens": 100}
    return c


# ---- Prompts ------------------------------------------------------------------


def media_run(s, tokens, n):
    """Of n feature rows: strings, and for each the row that stands there, or the
    string that is embedded."""
    patch, start, end = tokens
    if not s["ends"]:
        inner = [patch] * n if s["im_start_end"] else [start] + [patch] * (n - 2) + [end]
        run = [(t, i) for i, t in enumerate(inner)]
        return [(start, start)] + run + [(end, end)] if s["im_start_end"] else run
    times, outside = s["frames"], s["im_start_end"]
    per_frame, run = (n - times) // s["sample_frames"], [(start, start)]
    first, last = "<extra_id_8>", "<extra_id_9>"
    for i in range(s["sample_frames"]):
        # without use_im_start_end the outer tokens take one patch each of the
        # first frame and of the times, and what is embedded moves by one place
        strings = [start] + [patch] * (per_frame - (i == 0 and not outside)) + [end]
        if i or outside:
            run.append((strings.pop(0), start))
        run += [(t, None) for t in strings[:-1]] + [(end, end)]
    run.append((first, first))
    run += [(patch, None)] * (times if outside else times - 1)
    run += [(last, last), (end, end)] if outside else [(last, None), (end, last)]
    row = iter(range(n))
    return [(t, next(row) if e is None else e) for t, e in run]


def make_ids(s, encode, n):
    """Prompt, ids (media tokens, the tokenizer over everything, then ids 0, 1, 2),
    where the run stands, and for each place of it a row or the id that is embedded."""
    tokens = MEDIA["llama_3" if s["template"] == "llama_3" else "default"]
    prompt, run = PROMPTS[s["template"]], media_run(s, tokens, n)
    ids = encode(prompt.replace("<video>", "".join(t for t, _ in run)))
    # sentencepiece may put its space before a string that stands alone
    one = {t: encode(t)[-1] for t in set(t for t, _ in run) | set(tokens)}
    first = ids.index(one[tokens[1]])
    assert ids[first:first + len(run)] == [one[t] for t, _ in run]
    slots = [e if isinstance(e, int) else one[e] + n for _, e in run]
    if s["im_start_end"] and not s["ends"]:
        first, slots = first + 1, slots[1:-1]
    if s["template"] in ("v1", "llama_2"):
        swap = {one[tokens[0]]: 0, encode("<extra_id_6>")[-1]: 1, encode("<extra_id_7>")[-1]: 2}
        ids = [swap.get(i, i) for i in ids]
    return prompt, torch.tensor(ids), first, slots


def embed(w, ids, first, slots, rows):
    words = w["embedding.word_embeddings.weight"]
    x = words[ids].clone()
    for i, slot in enumerate(slots):
        x[first + i] = rows[slot] if slot < len(rows) else words[slot - len(rows)]
    return x


def generate(s, w, x, vocab):
    logits, caches = decode(s, w, x, None)
    prompt, steps, greedy = logits, [], []
    for _ in range(s["steps"]):
        steps.append(logits[-1])
        greedy.append(int(logits[-1][:vocab].argmax()))
        x = w["embedding.word_embeddings.weight"][greedy[-1:]]
        logits, caches = decode(s, w, x, caches)
    return prompt, torch.stack(steps), greedy


# ---- A folder -----------------------------------------------------------------


def split_files(s, w, lora):
    """Archive name -> (tensors, is the multimodal one)."""
    if s["kind"] != "projector-lora":
        return {"model.nemo": w | lora}
    base = {n: x for n, x in w.items() if "adapter_layer" not in n}
    rest = {n: x for n, x in w.items() if "adapter_layer" in n}
    return {"projector.nemo": rest | lora, "base_llm.nemo": base}


def make(folder, s, seed, mcore):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = numpy.random.default_rng(seed)
    files, tokenizer, encode, decode_ids, vocab = make_tokenizer(s, folder)
    frames = common.make_frames(s, rng)
    resized = numpy.stack([common.resize(s, f) for f in frames])
    pixels = common.normalize(s, resized)
    hidden, inside_tower = encode_frames(s, folder, seed, pixels)
    attempt, margin = 0, 0
    while margin < MARGIN:
        g = torch.Generator().manual_seed(seed + 1000 * attempt)
        w = make_weights(s, padded(vocab, s), g)
        projector = make_projector(s, g)
        lora, effect, peft = make_lora(s, g) if s["lora"] else ({}, {}, None)
        if s["dtype"] == "bfloat16":
            w, projector = [{n: x.bfloat16().float() for n, x in part.items()}
                            for part in (w, projector)]
        projected = project(s, projector, hidden)
        rows = lita(s, projected) if s["lita"] else projected.reshape(-1, s["hidden"])
        prompt, ids, first, slots = make_ids(s, encode, len(rows))
        x = embed(w, ids, first, slots, rows)
        logits, steps, greedy = generate(s, w | {"lora": effect}, x, vocab)
        best = steps[:, :vocab].topk(2).values
        margin, attempt = float((best[:, 0] - best[:, 1]).min()), attempt + 1
    if mcore and not s["lora"] and not s["experts"]:
        check_mcore(s, w, x, logits)
    inside = "embedding.word_embeddings.adapter_layer.mm_projector_adapter.mm_projector."
    config = make_config(s, tokenizer, "tower")
    for name, part in split_files(s, w | inside_tower | {inside + n: x for n, x in projector.items()},
                                  lora).items():
        c = dict(config)
        if peft and name != "base_llm.nemo":
            c["peft"] = peft
        if name == "base_llm.nemo":
            del c["mm_cfg"]
        save_nemo(folder / name, s, part, c, files)
    save_file({
        "frames": torch.from_numpy(frames), "resized": torch.from_numpy(resized.copy()),
        "pixel_values": pixels, "vision_hidden": hidden.contiguous(),
        "projected": rows.clone(), "input_ids": ids, "prompt_logits": logits.contiguous(),
        "step_logits": steps, "greedy_ids": torch.tensor(greedy)},
        folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps({
        "made_with": f"plain PyTorch from NeMo's description, torch {torch.__version__}",
        "seed": seed, "specification": s, "template": s["template"], "prompt": prompt,
        "media_run": {"start": first}, "tokenizer_vocab": vocab,
        "smallest_top2_margin": margin,
        "texts": make_vectors(s, encode, decode_ids, vocab, seed)}, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--checked-in", action="store_true")
    parser.add_argument("--mcore", action="store_true", help="compare with megatron-core")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    if options.checked_in:
        for i, kind in enumerate(CHECKED_IN):
            s = draw(random.Random(i), kind) | SMALL
            with contextlib.redirect_stderr(io.StringIO()):
                make(options.out / ("nemo-" + kind), s, 7 + i, options.mcore)
        return
    for i, kind in enumerate(KINDS):
        s = draw(random.Random(options.seed * 1000 + i), kind)
        if options.kind and kind not in options.kind:
            continue
        name = f"nemo-{options.seed}-{kind}"
        print(name, flush=True)
        with contextlib.redirect_stderr(io.StringIO()):
            make(options.out / name, s, options.seed * 100 + i, options.mcore)


if __name__ == "__main__":
    main()
