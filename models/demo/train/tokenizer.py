# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains the SentencePiece BPE model of the demo: tokenizer.py OUT_DIR

Pieces: 0 <unk>, 1 <s>, 2 </s>, 3 <image>, 4 <pad>, then 256 bytes, then BPE.
No dummy prefix and no normalisation: the text is taken as it is.
"""

import os
import random
import sys
import tempfile

import sentencepiece as spm

import generate as G

VOCAB = 640


def corpus(seed=0, scenes=4000):
    rng = random.Random(f"tokenizer {seed}")
    lines = [G.UNKNOWN] * 200 + list(G.DESCRIBE) * 200
    for name in G.PATTERNS:
        lines += [t for _ in range(120) for s in [{"type": "pattern",
                                                  "name": name}]
                  for t in [G.caption(s)] + [x for _, q, a in
                                             G.questions(s, rng)
                                             for x in (q, a)]]
    for _ in range(scenes):
        s = G.make_scene(rng)
        lines.append(G.caption(s))
        for _, q, a in G.questions(s, rng):
            lines += [q, a]
    lines += [c.capitalize() + "." for c in G.COLOURS] * 30
    return lines


def train(out):
    with tempfile.TemporaryDirectory() as tmp:
        text = os.path.join(tmp, "t.txt")
        with open(text, "w") as f:
            f.write("\n".join(corpus()))
        spm.SentencePieceTrainer.train(
            input=text, model_prefix=os.path.join(tmp, "m"),
            model_type="bpe", vocab_size=VOCAB, byte_fallback=True,
            unk_id=0, bos_id=1, eos_id=2, pad_id=-1, character_coverage=1.0,
            user_defined_symbols=["<image>", "<pad>"],
            normalization_rule_name="identity", add_dummy_prefix=False,
            remove_extra_whitespaces=False, split_digits=True,
            allow_whitespace_only_pieces=True, num_threads=1,
            hard_vocab_limit=False, minloglevel=2)
        data = open(os.path.join(tmp, "m.model"), "rb").read()
    with open(os.path.join(out, "tokenizer.model"), "wb") as f:
        f.write(data)


if __name__ == "__main__":
    train(sys.argv[1])
