#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What NeMo makes of training records: tests/data/training.json.

    make_training_reference.py PACKAGE TOKENIZER OUT [SEED]

PACKAGE is where nemo_toolkit 2.1.0 was unpacked (pip download --no-deps
nemo_toolkit==2.1.0, unzip): its functions are taken out of their files and
called, as importing all of NeMo wants a GPU's libraries. TOKENIZER is
models/demo/tokenizer.model, to whose pieces the special strings are added as
tests/engine/extended_tokenizer.h adds them. Needs torch and sentencepiece.
"""
import ast
import collections
import copy
import dataclasses
import enum
import json
import logging
import random
import re
import sys
import types
import typing

import numpy
import sentencepiece
import torch

NEVA = "nemo/collections/multimodal/data/neva/"
PIECES = [f"<extra_id_{i}>" for i in range(10)] + [
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<|reserved_special_token_3|>",
    "<|reserved_special_token_4|>", "<|reserved_special_token_5|>",
    "<|im_start|>", "<|im_end|>"]
TEMPLATES = ["nvgpt", "nv_dpo", "v1", "llama_2", "llama_3", "mistral",
             "yi_34b", "plain", "interleaved"]
WORDS = ["What", "moves", "the scene", "A robot arm", "video", "?", ".", "\n",
         "é", "  ", "x<y", "99", "USER"]


def load(package):
    """The names of the two files, without what they import."""
    names = {n: getattr(typing, n)
             for n in ["Any", "Dict", "List", "Sequence", "Tuple", "Union"]}
    names |= {"re": re, "copy": copy, "json": json, "logging": logging,
              "np": numpy, "torch": torch, "F": torch.nn.functional,
              "dataclasses": dataclasses, "defaultdict":
              collections.defaultdict, "Enum": enum.Enum, "auto": enum.auto,
              "IGNORE_INDEX": -1}
    for name in ["conversation.py", "neva_dataset.py"]:
        tree = ast.parse(open(package + "/" + NEVA + name).read())
        kept = [n for n in tree.body
                if isinstance(n, (ast.FunctionDef, ast.Assign))
                or name == "conversation.py"
                and isinstance(n, (ast.ClassDef, ast.Expr))]
        exec(compile(ast.Module(kept, []), name, "exec"), names)
        names["conversation_lib"] = types.SimpleNamespace(**names)
    return names


def with_pieces(model):
    """Each is a message pieces {piece, score: 0, type: USER_DEFINED}."""
    for piece in PIECES:
        inner = b"\x0a" + bytes([len(piece)]) + piece.encode()
        inner += b"\x15\0\0\0\0\x18\x04"
        model += b"\x0a" + bytes([len(inner)]) + inner
    return sentencepiece.SentencePieceProcessor(model_proto=model)


class Tokenizer:
    """Takes texts whole, as sentencepiece_legacy: False does."""

    def __init__(self, model):
        self.processor = with_pieces(model)
        self.text_to_ids = self.processor.encode_as_ids
        self.token_to_id = self.processor.piece_to_id


class Legacy(Tokenizer):
    """Cuts texts at special strings first."""

    def __init__(self, model):
        self.processor = sentencepiece.SentencePieceProcessor(
            model_proto=model)
        size = self.processor.get_piece_size()
        self.added = {p: size + i for i, p in enumerate(PIECES)}

    def token_to_id(self, token):
        return self.added.get(token, self.processor.piece_to_id(token))

    def text_to_ids(self, text):
        ids = []
        for part in re.split("(" + "|".join(map(re.escape, PIECES)) + ")",
                             text):
            ids += [self.added[part]] if part in self.added \
                else self.processor.encode_as_ids(part)
        return ids


def words(rand, n):
    return "".join(rand.choice(WORDS) + rand.choice(["", " "])
                   for _ in range(n))


def make_record(rand, template, media, files):
    record = {media: ["a.mp4"] * files if files > 1 else "a.mp4"}
    marker = f"<{media}>"
    if template == "interleaved":
        record["conversations"] = "".join(
            words(rand, 2) + marker for _ in range(files)) + words(rand, 2)
        return record
    turns = []
    for i in range(2 if template == "plain" else rand.choice([2, 2, 4, 6])):
        turns.append({"from": ["human", "gpt"][i % 2],
                      "value": "Q" + words(rand, rand.randint(1, 4))})
        if i % 2 and rand.random() < 0.3:
            turns[-1]["label"] = rand.choice(["quality:4,humor:1", "good"])
    for _ in range(files):
        turns[0]["value"] = rand.choice(["{0}{1}", "{1}{0}"]).format(
            turns[0]["value"], marker)
    if template in ("nvgpt", "nv_dpo"):
        if rand.random() < 0.3:
            record["system"] = "Be brief.\n"
    elif template != "plain" and rand.random() < 0.2:
        turns.insert(0, {"from": "gpt", "value": "Hello."})
    record["conversations"] = turns
    return record


def make_case(rand, nemo, tokenizers):
    template = rand.choice(TEMPLATES)
    media = rand.choice(["video", "video", "image"])
    frames = 1 if media == "image" else rand.choice([1, 2])
    patches = rand.choice([2, 4])
    legacy = rand.random() < 0.3
    case = {"template": template, "media": media, "legacy": legacy,
            "llama3": template == "llama_3", "ends": rand.random() < 0.3,
            "front": template != "interleaved" and rand.random() < 0.1,
            "media_tokens": frames * patches, "context": 4096,
            "extra": rand.random() < 0.7}
    alone = template == "plain" or case["front"]
    record = make_record(rand, template, media,
                         1 if alone else rand.choice([1, 1, 2]))
    config = {"is_multimodal": True, "media_type": media,
              "model_type": "llama_3" if case["llama3"] else "llama_2",
              "num_frames": frames, "mm_mlp_adapter_type": "linear",
              "use_im_start_end": case["ends"],
              "sep_image_conv_front": case["front"],
              "conv_template": template, "context_length": 4096,
              "add_extra_token": int(case["extra"])}
    dataset = types.SimpleNamespace(
        conv_template=template, tokenizer=tokenizers[legacy],
        multimodal_cfg=config)
    if case["front"] and record["conversations"][0]["from"] == "gpt":
        return None
    source = nemo["preprocess_multimodal"](
        [copy.deepcopy(record)], config, patches,
        use_plain=template == "plain")
    made = nemo["preprocess_conversations"](dataset, source)
    case["record"] = record
    case["tokens"] = made["tokens"][0].tolist()
    case["labels"] = made["labels"][0].tolist()
    return case


def main():
    package, model, out = sys.argv[1:4]
    rand = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    nemo = load(package)
    data = open(model, "rb").read()
    tokenizers = [Tokenizer(data), Legacy(data)]
    cases = [make_case(rand, nemo, tokenizers) for _ in range(60)]
    with open(out, "w") as file:
        rows = [json.dumps(c, separators=(",", ":")) for c in cases if c]
        file.write("[" + ",\n".join(rows) + "]\n")


if __name__ == "__main__":
    main()
