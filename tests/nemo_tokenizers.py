# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tokenizers as NeMo uses them, for make_nemo_reference.py: the files that go into
the archive, its configuration, and the original libraries behind wrappers that
follow NeMo's: encode, decode, size. `s` is a specification that draw () made."""
import hashlib
import io
import json
import random
import shutil

import sentencepiece
import tokenizers
import transformers

import make_reference as common


def special_strings(s):
    times = ["<t%d>" % i for i in range(100)] if s["times"] else []
    return ["<extra_id_%d>" % i for i in range(10)] + times


def train_sentencepiece(symbols, size, tidy):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(common.CORPUS), model_writer=model, vocab_size=size,
        model_type="bpe", byte_fallback=True, user_defined_symbols=symbols,
        normalization_rule_name="nmt_nfkc" if tidy else "identity",
        remove_extra_whitespaces=tidy, num_threads=1, minloglevel=2)
    return model.getvalue()


def artifact(files, name, data):
    name = hashlib.md5(data).hexdigest() + "_" + name
    files[name] = data
    return "nemo:" + name


def legacy_encode(sp, specials, text):
    """NeMo's wrapper: special strings are split off, the rest goes piece by piece."""
    ids = []
    while True:
        hits = [(text.index(t), t) for t in specials if t in text]
        if not hits:
            return ids + sp.encode(text)
        at, token = min(hits)
        ids += sp.encode(text[:at]) + [specials[token]]
        text = text[at + len(token):]


def legacy_decode(sp, specials, ids):
    names, text, last = {i: t for t, i in specials.items()}, "", 0
    for at, i in enumerate(ids):
        if i in names:
            text += sp.decode(ids[last:at]) + " " + names[i] + " "
            last = at + 1
    return (text + sp.decode(ids[last:])).strip()


def decode_unnamed(hf, named, ids):
    """NeMo's wrapper of Hugging Face's tokenizers."""
    return hf.convert_tokens_to_string(
        [t for t in hf.convert_ids_to_tokens(ids) if t not in named])


def train_bytes(size):
    t = tokenizers.Tokenizer(tokenizers.models.BPE())
    pre = tokenizers.pre_tokenizers
    t.pre_tokenizer = pre.ByteLevel(add_prefix_space=False, use_regex=True)
    t.decoder = tokenizers.decoders.ByteLevel()
    t.train_from_iterator(common.CORPUS, tokenizers.trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre.ByteLevel.alphabet(), show_progress=False,
        special_tokens=["<|endoftext|>"]))
    return t


def make_tokenizer(s, folder):
    files, kind = {}, s["tokenizer"]
    c = {"library": "sentencepiece", "type": None, "model": None, "vocab_file": None,
         "merge_file": None, "delimiter": None, "sentencepiece_legacy": kind == "sp-legacy"}
    if kind in ("sentencepiece", "sp-legacy"):
        old = kind == "sp-legacy"
        data = train_sentencepiece([] if old else special_strings(s), s["pieces"],
                                   s["tidy"])
        sp = sentencepiece.SentencePieceProcessor(model_proto=data)
        c["model"] = artifact(files, "tokenizer.model", data)
        if not old:
            return files, c, sp.encode, sp.decode, sp.vocab_size()
        c["additional_special_tokens"] = special_strings(s)
        specials = {t: sp.vocab_size() + i for i, t in enumerate(special_strings(s))}
        return (files, c, lambda text: legacy_encode(sp, specials, text),
                lambda ids: legacy_decode(sp, specials, ids), sp.vocab_size() + len(specials))
    t = train_bytes(s["pieces"] + 20)
    if kind == "gpt2":
        parts = folder / "gpt2"
        parts.mkdir()
        t.model.save(str(parts))
        c.update(library="megatron", type="GPT2BPETokenizer",
                 vocab_file=artifact(files, "vocab.json", (parts / "vocab.json").read_bytes()),
                 merge_file=artifact(files, "merges.txt", (parts / "merges.txt").read_bytes()),
                 additional_special_tokens=special_strings(s))
        # read back as the original does: from the two files
        hf = transformers.GPT2Tokenizer(str(parts / "vocab.json"), str(parts / "merges.txt"))
        hf.add_special_tokens({"additional_special_tokens": special_strings(s)})
        shutil.rmtree(parts)
        named = {"<|endoftext|>", *special_strings(s)}
        return (files, c, lambda text: hf.encode(text, add_special_tokens=False),
                lambda ids: decode_unnamed(hf, named, ids), len(hf))
    t.add_special_tokens(["<|begin_of_text|>", "<|eot_id|>"] +
                         ["<|reserved_special_token_%d|>" % i for i in range(8)])
    where = folder / "tokenizer"
    where.mkdir()
    t.save(str(where / "tokenizer.json"))
    (where / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
         "eos_token": "<|eot_id|>"}))
    c.update(library="huggingface", type="tokenizer")
    hf = transformers.PreTrainedTokenizerFast.from_pretrained(where)
    named = {"<|begin_of_text|>", "<|eot_id|>"}
    return (files, c, lambda text: t.encode(text, add_special_tokens=False).ids,
            lambda ids: decode_unnamed(hf, named, ids), t.get_vocab_size())


# ---- Vectors ------------------------------------------------------------------

LETTERS = ["abcdefghij XYZ", "   \n\t", "éüñßçø", "αβγδ", "жизнь", "漢字かなカナ한글", "مرحبا",
           "हिन्दी", "😀👩\u200d🚀🇩🇪", "e\u0301a\u0308", "0123456789", ".,;:!?<>|[]()", "ﬁ½①Ａ\u00a0\u3000"]


def make_vectors(s, encode, decode, vocab, seed):
    """Random texts with special strings in them, and random ids."""
    rng = random.Random(seed)
    specials = special_strings(s) if s["tokenizer"] != "huggingface" else [
        "<|begin_of_text|>", "<|eot_id|>", "<|reserved_special_token_3|>"]
    out = []
    for _ in range(32):
        text = ""
        for _ in range(rng.randint(0, 9)):
            if rng.random() < 0.3:
                text += rng.choice(specials)
            elif rng.random() < 0.4:
                text += rng.choice(common.CORPUS)[:rng.randint(1, 30)]
            else:
                letters = rng.choice(LETTERS)
                text += "".join(rng.choice(letters) for _ in range(rng.randint(1, 8)))
        ids = encode(text)
        out.append({"text": text, "ids": ids, "decoded": decode(ids)})
    for _ in range(8):
        ids = [rng.randrange(vocab) for _ in range(rng.randint(1, 12))]
        # a NUL has no place in the engine's strings
        out.append({"ids": ids, "decoded": decode(ids).replace("\0", "\ufffd")})
    return out
