#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes folders for check-reference: tiny random LLaVA checkpoints and what
PyTorch and transformers compute with them.

  make_reference.py OUT [--seed 1] [--count 12]    random shapes and families
  make_reference.py OUT --checked-in               the folders of tests/data

Needs PyPI's torch, transformers, Pillow and sentencepiece (made with torch 2.15,
transformers 5.23). The test suite itself runs without Python: it reads what was
made. Each folder holds a model in the Hugging Face layout and
  expected.safetensors    frames, resized, pixel_values, vision_hidden, projected,
                          input_ids, prompt_logits, prompt_logits_bf16,
                          step_logits, greedy_ids
  expected.json           prompt and how it was made
  tokenizer_vectors.json  text -> ids -> decoded text
"""
import argparse
import copy
import io
import json
import pathlib
import random
import shutil

import numpy
import sentencepiece
import tokenizers
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
         r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CORPUS = [
    "What happens in the video? A red circle moves to the left.",
    "Describe the video: two blue squares appear, one after another.",
    "How many shapes are there? Three. Which colour has the largest one?",
    "USER: what is this? ASSISTANT: a small green triangle that grows.",
    "It isn't moving; they've stopped, we'll see what I'm missing.",
    "The 12 frames of 1080 lines (25 per second) show nothing at all!",
] * 20
TEXTS = ["Hello world", " leading space", "trailing ", "two  spaces", "a\nb\n\nc",
         "déjà vu — naïve", "日本語", "emoji 😀 end", "1234567890 3.14", "I'll they've",
         "<image>", "a<image>b", "", " ", "aaaaaaaaaaaaaaaa", "mixed العربية"]
# Greedy ids must not hang on rounding: no step's best two are closer.
MARGIN = 5e-4


def draw(rng, index):
    """A random specification; the index walks through the families."""
    clip = bool(index % 2)
    family = ["llama", "mistral", "qwen2"][index % 3]
    patch = rng.choice([7, 8, 12, 14])
    tower_heads = rng.choice([2, 3, 4])
    heads = rng.choice([2, 4, 6])
    kv = rng.choice([h for h in (1, 2, 3, heads) if heads % h == 0])
    layers = rng.choice([2, 3])
    tower_layers = rng.choice([2, 3, 4])
    return dict(
        clip=clip, family=family, patch=patch, heads=heads, kv_heads=kv,
        image=patch * rng.choice([2, 3, 4]) + rng.choice([0, 0, patch // 2]),
        tower_heads=tower_heads, tower_hidden=tower_heads * rng.choice([6, 8, 10]),
        tower_ffn=rng.choice([40, 52, 64]), tower_layers=tower_layers,
        select=rng.choice([-1, -2, 1, tower_layers]),
        full=rng.choice([True, False]), projector_bias=rng.choice([True, True, False]),
        head_dim=rng.choice([8, 10, 16, 24]), hidden=heads * rng.choice([10, 14, 16]),
        ffn=rng.choice([72, 96, 130]), layers=layers,
        window=rng.choice([None, 24, 48]), rope=rng.choice(["default", "linear", "llama3"]),
        tied=rng.choice([True, False]), attention_bias=rng.choice([True, False]),
        mlp_bias=rng.choice([True, False]), dtype=rng.choice(["float32", "bfloat16", "float16"]),
        shards=rng.choice([1, 1, 3]), spelling=rng.choice([4, 5]),
        tokenizer=rng.choice(["bpe", "sentencepiece"]), frames=rng.choice([1, 2, 4]),
        size=(rng.randrange(30, 130), rng.randrange(30, 130)), vocab=400,
        prompt="USER: <image>\nWhat happens in the video? ASSISTANT:")


def sentencepiece_tokenizer(folder, vocab):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=vocab,
        model_type="bpe", byte_fallback=True, user_defined_symbols=["<image>"],
        normalization_rule_name="identity", remove_extra_whitespaces=False,
        num_threads=1, minloglevel=2)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return sp.vocab_size(), sp.encode, sp.decode, sp.piece_to_id("<image>"), 1, 2


def bpe_tokenizer(folder, vocab):
    t = tokenizers.Tokenizer(tokenizers.models.BPE())
    pre = tokenizers.pre_tokenizers
    t.pre_tokenizer = pre.Sequence([
        pre.Split(tokenizers.Regex(SPLIT), "isolated"),
        pre.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = tokenizers.decoders.ByteLevel()
    t.train_from_iterator(CORPUS, tokenizers.trainers.BpeTrainer(
        vocab_size=vocab, initial_alphabet=pre.ByteLevel.alphabet(), show_progress=False))
    t.add_special_tokens(["<|im_start|>", "<|im_end|>", "<image>"])
    t.save(str(folder / "tokenizer.json"), pretty=False)
    ids = t.token_to_id
    return (t.get_vocab_size(), lambda s: t.encode(s, add_special_tokens=False).ids,
            lambda i: t.decode(i, skip_special_tokens=False), ids("<image>"), None,
            ids("<|im_end|>"))


def rope_parameters(s):
    p = {"rope_type": s["rope"], "rope_theta": 10000.0}
    if s["rope"] == "linear":
        p["factor"] = 3.0
    if s["rope"] == "llama3":
        p.update(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                 original_max_position_embeddings=32)
    return p


def build(s, vocab, media, bos, eos):
    vision = dict(hidden_size=s["tower_hidden"], intermediate_size=s["tower_ffn"],
                  num_hidden_layers=s["tower_layers"], num_attention_heads=s["tower_heads"],
                  image_size=s["image"], patch_size=s["patch"])
    text = dict(vocab_size=vocab + 5, hidden_size=s["hidden"], intermediate_size=s["ffn"],
                num_hidden_layers=s["layers"], num_attention_heads=s["heads"],
                num_key_value_heads=s["kv_heads"], head_dim=s["head_dim"],
                max_position_embeddings=512, rms_norm_eps=1e-5, bos_token_id=bos,
                eos_token_id=eos, tie_word_embeddings=s["tied"],
                rope_parameters=rope_parameters(s))
    if s["family"] == "llama":
        text.update(attention_bias=s["attention_bias"], mlp_bias=s["mlp_bias"])
        cls = transformers.LlamaConfig
    elif s["family"] == "mistral":
        text.update(sliding_window=s["window"])
        cls = transformers.MistralConfig
    else:
        # transformers' Qwen2 has no head_dim of its own
        s["head_dim"] = s["hidden"] // s["heads"] // 2 * 2
        text.update(hidden_size=s["head_dim"] * s["heads"], head_dim=s["head_dim"],
                    use_sliding_window=s["window"] is not None,
                    sliding_window=s["window"], max_window_layers=1)
        cls = transformers.Qwen2Config
    tower = transformers.CLIPVisionConfig if s["clip"] else transformers.SiglipVisionConfig
    config = transformers.LlavaConfig(
        vision_config=tower(**vision), text_config=cls(**text), image_token_index=media,
        vision_feature_layer=s["select"], tie_word_embeddings=s["tied"],
        vision_feature_select_strategy="full" if s["full"] else "default",
        multimodal_projector_bias=s["projector_bias"])
    config._attn_implementation = "eager"
    return transformers.LlavaForConditionalGeneration(config).eval()


def randomize(model, seed):
    """Weights that make every part matter: logits near 1, norms off 1."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=g)
            if p.ndim > 1:
                p.copy_(noise * (1.3 / p[0].numel() ** 0.5))
            elif "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.2 * noise)
            else:
                p.copy_(0.1 * noise)
    model.tie_weights()


def round_weights(model, dtype):
    """Only parameters: casting the module would round the rotary frequencies."""
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.to(dtype).float())


def old_name(name):
    name = name.replace("model.language_model.", "language_model.model.")
    name = name.replace("model.multi_modal_projector.", "multi_modal_projector.")
    name = name.replace("model.vision_tower.", "vision_tower.vision_model.")
    return "language_model." + name if name.startswith("lm_head") else name


def old_config(config):
    text = config["text_config"]
    rope = text.pop("rope_parameters")
    text["rope_theta"] = rope.pop("rope_theta")
    text["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.45.0"
    for part in (config, text, config["vision_config"]):
        part.pop("dtype", None)
    # as on the hub: what equals the default of its class is left out
    for key in ("attention_dropout", "initializer_range", "use_cache", "pretraining_tp",
                "model_type" if text["model_type"] == "llama" else "pad_token_id"):
        text.pop(key, None)


def save_model(model, s, folder):
    dtype = getattr(torch, s["dtype"])
    state = {k: v.detach().to(dtype).contiguous() for k, v in model.state_dict().items()
             if not (s["tied"] and k.startswith("lm_head"))}
    config = json.loads(model.config.to_json_string(use_diff=False))
    config["dtype"] = s["dtype"]
    if s["spelling"] == 4:
        state = {old_name(k): v for k, v in state.items()}
        old_config(config)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    names = sorted(state)
    if s["shards"] == 1:
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        return
    where = {}
    for i in range(s["shards"]):
        file = f"model-{i + 1:05}-of-{s['shards']:05}.safetensors"
        part = names[i * len(names) // s["shards"]:(i + 1) * len(names) // s["shards"]]
        save_file({n: state[n] for n in part}, folder / file, {"format": "pt"})
        where.update({n: file for n in part})
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": where}))


def save_preprocessor(s, folder):
    size = s["image"]
    p = {"image_processor_type": "CLIPImageProcessor", "crop_size": size, "size": size,
         "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "resample": 3}
    if s["spelling"] == 5:
        p.update(size={"shortest_edge": size}, crop_size={"height": size, "width": size},
                 do_center_crop=True)
    if not s["clip"]:
        p = {"image_processor_type": "SiglipImageProcessor", "resample": 3,
             "size": {"height": size, "width": size}, "rescale_factor": 1 / 255}
    (folder / "preprocessor_config.json").write_text(json.dumps(p, indent=1))


def make_frames(s, g):
    w, h = s["size"]
    y, x = numpy.mgrid[0:h, 0:w]
    frames = []
    for _ in range(s["frames"]):
        a = g.uniform(0, 6, (3, 3))
        waves = numpy.stack([numpy.sin(x / 9 * a[c, 0] + a[c, 1]) + numpy.cos(y / 7 * a[c, 2])
                             for c in range(3)], -1)
        noisy = 127 + 55 * waves + g.normal(0, 12, (h, w, 3))
        frames.append(numpy.clip(noisy, 0, 255).astype(numpy.uint8))
    return numpy.stack(frames)


def resize(s, frame):
    size, (h, w, _) = s["image"], frame.shape
    picture = Image.fromarray(frame)
    if not s["clip"]:
        return numpy.asarray(picture.resize((size, size), Image.BICUBIC))
    new = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
    picture = numpy.asarray(picture.resize(new, Image.BICUBIC))
    half = (lambda n: round(n / 2)) if s.get("megatron") else (lambda n: n // 2)
    top, left = half(new[1] - size), half(new[0] - size)
    return picture[top:top + size, left:left + size]


def normalize(s, pictures):
    mean, std = (CLIP_MEAN, CLIP_STD) if s["clip"] else ([0.5] * 3, [0.5] * 3)
    x = (pictures.astype(numpy.float64) / 255).astype(numpy.float32)
    x = (x - numpy.float32(mean)) / numpy.float32(std)
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


def expand(s, encode, prompt, media, count, bos):
    before, after = prompt.split("<image>")
    ids = encode(before + "<image>" + after)
    at = ids.index(media)
    return ([] if bos is None else [bos]) + ids[:at] + [media] * count + ids[at + 1:]


def generate(model, ids, pixels, steps=8):
    """Greedy, with a cache; also the logits of each step."""
    logits, out = [], []
    result = model(input_ids=ids, pixel_values=pixels, use_cache=True)
    prompt = result.logits[0]
    for _ in range(steps):
        last = result.logits[0, -1]
        logits.append(last)
        out.append(int(last.argmax()))
        result = model(input_ids=torch.tensor([[out[-1]]]), use_cache=True,
                       past_key_values=result.past_key_values)
    return prompt, torch.stack(logits), out


def tower_rows(model, s, pixels):
    states = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
    rows = states[s["select"]]
    return rows if s["full"] else rows[:, 1:]


def bf16_logits(model, ids, pixels):
    """Naive bf16: every weight and result rounded, rotary frequencies in f32."""
    half = copy.deepcopy(model)
    for module in half.modules():
        for name, p in module.named_parameters(recurse=False):
            p.data = p.data.bfloat16()
        module.__dict__.setdefault("_buffers", {})
    half.config.dtype = torch.bfloat16
    half.model.config.dtype = torch.bfloat16
    return half(input_ids=ids, pixel_values=pixels.bfloat16()).logits[0].float()


def make(folder, s, seed):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    g = numpy.random.default_rng(seed)
    tokenizer = sentencepiece_tokenizer if s["tokenizer"] == "sentencepiece" else bpe_tokenizer
    vocab, encode, decode, media, bos, eos = tokenizer(folder, s["vocab"])
    model = build(s, vocab, media, bos, eos)
    prompt = s["prompt"]
    frames = make_frames(s, g)
    resized = numpy.stack([resize(s, f) for f in frames])
    pixels = normalize(s, resized)
    rows = (s["image"] // s["patch"]) ** 2 + s["clip"] - (not s["full"])
    ids = torch.tensor([expand(s, encode, prompt, media, rows * s["frames"], bos)])
    margin, attempt = 0, 0
    while margin < MARGIN:
        randomize(model, seed + 1000 * attempt)
        round_weights(model, getattr(torch, s["dtype"]))
        logits, steps, greedy = generate(model, ids, pixels)
        best = steps.topk(2).values
        margin, attempt = float((best[:, 0] - best[:, 1]).min()), attempt + 1
    hidden = tower_rows(model, s, pixels)
    projected = model.model.multi_modal_projector(hidden)
    save_model(model, s, folder)
    save_preprocessor(s, folder)
    (folder / "generation_config.json").write_text(json.dumps(
        {"bos_token_id": bos, "eos_token_id": [eos]}))
    naive = bf16_logits(model, ids, pixels)
    save_file({
        "frames": torch.from_numpy(frames), "resized": torch.from_numpy(resized.copy()),
        "pixel_values": pixels, "vision_hidden": hidden.contiguous(),
        "projected": projected.reshape(-1, projected.shape[-1]).contiguous(),
        "input_ids": ids[0].contiguous(), "prompt_logits": logits.contiguous(),
        "prompt_logits_bf16": naive.contiguous(), "step_logits": steps,
        "greedy_ids": torch.tensor(greedy)}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps({
        "made_with": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "seed": seed, "specification": s, "prompt": prompt, "frames": s["frames"],
        "image_token_id": media, "smallest_top2_margin": margin}, indent=1))
    (folder / "tokenizer_vectors.json").write_text(json.dumps(
        [{"text": t, "ids": encode(t), "decoded": decode(encode(t))} for t in TEXTS], indent=1))


# Small enough for the repository, and different in everything that matters.
CHECKED_IN = {
    "clip-llama3-bf16-shards": dict(
        clip=True, family="llama", patch=7, heads=4, kv_heads=2, image=17, tower_heads=2,
        tower_hidden=16, tower_ffn=40, tower_layers=3, select=-2, full=False,
        projector_bias=True, head_dim=10, hidden=24, ffn=40, layers=2, window=None,
        rope="llama3", tied=False, attention_bias=True, mlp_bias=False, dtype="bfloat16",
        shards=2, spelling=5, tokenizer="sentencepiece", frames=2, size=(30, 22),
        vocab=320, prompt="<image>\nWhat?"),
    "siglip-qwen2-tied": dict(
        clip=False, family="qwen2", patch=6, heads=4, kv_heads=1, image=14, tower_heads=3,
        tower_hidden=18, tower_ffn=24, tower_layers=2, select=-1, full=True,
        projector_bias=True, head_dim=6, hidden=24, ffn=40, layers=2, window=16,
        rope="linear", tied=True, attention_bias=False, mlp_bias=False, dtype="float16",
        shards=1, spelling=4, tokenizer="bpe", frames=2, size=(20, 26),
        vocab=280, prompt="<image>\nWhat?"),
    # 2, 4 and 8 ranks can share it, and 2 or 4 stages
    "clip-llama-8-heads": dict(
        clip=True, family="llama", patch=7, heads=8, kv_heads=8, image=14, tower_heads=2,
        tower_hidden=16, tower_ffn=24, tower_layers=2, select=-2, full=False,
        projector_bias=True, head_dim=8, hidden=32, ffn=48, layers=4, window=None,
        rope="default", tied=False, attention_bias=False, mlp_bias=False, dtype="bfloat16",
        shards=1, spelling=5, tokenizer="sentencepiece", frames=2, size=(22, 18),
        vocab=315, prompt="<image>\nWhat?"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--checked-in", action="store_true")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    if options.checked_in:
        for name, s in CHECKED_IN.items():
            make(options.out / name, dict(s), 7)
            print(name)
        return
    rng = random.Random(options.seed)
    for i in range(options.count):
        s = draw(rng, i)
        name = (f"{options.seed}-{i:02}-{'clip' if s['clip'] else 'siglip'}-{s['family']}-"
                f"{s['rope']}-{s['dtype']}-t{s['spelling']}")
        make(options.out / name, s, options.seed * 100 + i)
        print(name)


if __name__ == "__main__":
    main()
