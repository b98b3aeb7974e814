# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the finished model with PyTorch and transformers, nothing of our own.

    reference.py MODEL_DIR --dump OUT_DIR      what the C engine must compute
    reference.py MODEL_DIR --ask VIDEO "Describe the video."

The dump: expected.safetensors with frames [F,h,w,3] u8, resized u8,
pixel_values [F,3,C,C], vision_hidden [F,S,Dv], projected [F*S,H],
input_ids [T], prompt_logits and prompt_logits_bf16 [T,V], step_logits [n,V],
greedy_ids [n]; expected.json; tokenizer_vectors.json.
"""

import argparse
import json
import os
import subprocess

import numpy as np
import sentencepiece as spm
import torch
from PIL import Image
from transformers import LlavaForConditionalGeneration

import generate as G

BOS, EOS, IMAGE = 1, 2, 3


class Reference:
    def __init__(self, model_dir, dtype=torch.float32):
        torch.set_num_threads(int(os.environ.get("THREADS", 2)))
        self.m = LlavaForConditionalGeneration.from_pretrained(
            model_dir, dtype=dtype, attn_implementation="eager").eval()
        self.sp = spm.SentencePieceProcessor(
            model_file=os.path.join(model_dir, "tokenizer.model"))
        with open(os.path.join(model_dir, "config.json")) as f:
            c = json.load(f)
        self.size = c["vision_config"]["image_size"]
        self.per_frame = c["image_seq_length"]
        self.frames = c["neva"]["num_frames"]
        self.dtype = dtype

    def resize(self, images):
        return np.stack([np.asarray(i.convert("RGB").resize(
            (self.size, self.size), Image.BICUBIC)) for i in images])

    def pixels(self, resized):
        x = torch.from_numpy((resized.astype(np.float64) / 255)
                             .astype(np.float32))
        return ((x - .5) / .5).permute(0, 3, 1, 2).contiguous()

    def tokens(self, question):
        return [BOS] + [IMAGE] * (self.frames * self.per_frame) + \
            self.sp.encode("\n" + question + "\n")

    @torch.no_grad()
    def see(self, pixels):
        """(vision_hidden [F,S,Dv], projected [F*S,H])"""
        pixels = pixels.to(self.dtype)
        m = self.m.model
        hid = m.vision_tower(pixels, output_hidden_states=True
                             ).hidden_states[-1]
        return hid, m.multi_modal_projector(hid).flatten(0, 1)

    def embed(self, ids, projected):
        ids = torch.tensor(ids)
        e = self.m.get_input_embeddings()(ids)
        e[ids == IMAGE] = projected.to(e.dtype)
        return e

    @torch.no_grad()
    def answer(self, images, questions, limit=64):
        _, proj = self.see(self.pixels(self.resize(images)))
        rows = [self.embed(self.tokens(q), proj) for q in questions]
        n = max(len(r) for r in rows)
        x = torch.zeros(len(rows), n, rows[0].shape[1], dtype=self.dtype)
        mask = torch.zeros(len(rows), n, dtype=torch.long)
        for i, r in enumerate(rows):
            x[i, n - len(r):], mask[i, n - len(r):] = r, 1
        out = self.m.generate(inputs_embeds=x, attention_mask=mask,
                              do_sample=False, max_new_tokens=limit)
        return [self.sp.decode([t for t in r.tolist() if t > 4])
                for r in out]


def dump(model_dir, out, question, seed):
    from safetensors.torch import save_file
    import random
    os.makedirs(out, exist_ok=True)
    ref = Reference(model_dir)
    rng = random.Random(seed)
    scene = G.make_scene(rng, 4 / 3, "event")
    images = list(G.render(scene, np.arange(ref.frames) / (ref.frames - 1),
                           80, 60))
    resized = ref.resize(images)
    px = ref.pixels(resized)
    hid, proj = ref.see(px)
    ids = ref.tokens(question)

    def logits(r, proj, extra=()):
        e = r.embed(ids + list(extra), proj)
        with torch.no_grad():
            return r.m(inputs_embeds=e[None]).logits[0].float()
    whole = logits(ref, proj)
    greedy, steps = [], []
    for _ in range(64):
        step = logits(ref, proj, greedy)[-1]
        steps.append(step)
        greedy.append(int(step.argmax()))
        if greedy[-1] == EOS:
            break
    low = Reference(model_dir, torch.bfloat16)
    whole16 = logits(low, low.see(px)[1])
    top = torch.stack(steps).topk(2).values
    tensors = {
        "frames": torch.from_numpy(np.stack([np.asarray(i) for i in images])),
        "resized": torch.from_numpy(resized),
        "pixel_values": px, "vision_hidden": hid, "projected": proj,
        "input_ids": torch.tensor(ids),
        "prompt_logits": whole, "prompt_logits_bf16": whole16,
        "step_logits": torch.stack(steps),
        "greedy_ids": torch.tensor(greedy)}
    save_file({k: t.detach().clone().contiguous()
               for k, t in tensors.items()},
              os.path.join(out, "expected.safetensors"))
    with open(os.path.join(out, "expected.json"), "w") as f:
        json.dump({
            "prompt": "<s><image>\n" + question + "\n",
            "question": question, "frames": ref.frames,
            "image_tokens_per_frame": ref.per_frame,
            "image_token_id": IMAGE, "prompt_ids": len(ids),
            "greedy_ids": greedy, "greedy_text": ref.sp.decode(greedy[:-1]),
            "label": G.caption(scene),
            "smallest_top2_margin": float((top[:, 0] - top[:, 1]).min()),
            "bf16_max_abs_error": float((whole - whole16).abs().max()),
            "logits_rms": float(whole.pow(2).mean().sqrt())}, f, indent=1)
        f.write("\n")
    texts = ["Describe the video.", "\nDescribe the video.\n", "", " ", "\n",
             "A small red circle moves to the right.", " leading", "two  sp",
             "Größe 日本 😀", "tab\there", "What colour is the star?",
             "smpte-rp-219 75%", "trailing "]
    with open(os.path.join(out, "tokenizer_vectors.json"), "w") as f:
        json.dump([{"text": t, "ids": ref.sp.encode(t),
                    "decoded": ref.sp.decode(ref.sp.encode(t))}
                   for t in texts], f, indent=1, ensure_ascii=False)
        f.write("\n")
    print(ref.sp.decode(greedy[:-1]), "| label:", G.caption(scene))


def probe(path):
    o = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets",
         "-show_entries", "stream=width,height,nb_read_packets", "-of",
         "json", path], check=True, stdout=subprocess.PIPE).stdout
    s = json.loads(o)["streams"][0]
    return s["width"], s["height"], int(s["nb_read_packets"])


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("model")
    ap.add_argument("--dump")
    ap.add_argument("--ask", metavar="VIDEO")
    ap.add_argument("question", nargs="*")
    ap.add_argument("--seed", type=int, default=5)
    a = ap.parse_args()
    qs = a.question or [G.DESCRIBE[0]]
    if a.dump:
        dump(a.model, a.dump, qs[0], a.seed)
    if a.ask:
        w, h, n = probe(a.ask)
        ref = Reference(a.model)
        ims = G.decode(a.ask, G.frame_indices(n, ref.frames), w, h)
        for q, t in zip(qs, ref.answer(ims, qs)):
            print(q, t)


if __name__ == "__main__":
    main()
