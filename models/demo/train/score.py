# SPDX-License-Identifier: LGPL-2.1-or-later
"""Accuracy per attribute of captions and answers.

    score.py LABELS.jsonl [LABELS.jsonl ...] --captions ANSWERS.jsonl
    score.py LABELS.jsonl ... --engine ASK_CLIPS MODEL_DIR [--save ANSWERS]
    score.py LABELS.jsonl ... --torch MODEL_DIR [--save ANSWERS.jsonl]
    score.py LABELS.jsonl ... --list PROMPTS.jsonl    what is to be asked

The labels come from generate.py --eval. An answer line is a JSON object with
the video (`video`, `file` or `path`; only the base name counts), the question
(`question` or `prompt`; none means "Describe the video.") and the answer
(`text`, `caption` or `answer`). With --engine the C engine answers: ASK_CLIPS
is the program of that name that the build makes of examples/ask_clips.c; only
the frames are decoded here. With --torch PyTorch answers: the yardstick.

A caption is parsed with the grammar of generate.py and its groups are paired
with the true groups so that most attributes agree; a group that the caption
lacks is wrong in every attribute. An answer is right when it equals the label
but for case and the full stop. --calibration compares how sure the model is of
a "Yes." or "No." with how often it is right; the answers need `logprob`, which
--engine gives.
"""

import argparse
import collections
import itertools
import json
import math
import os
import re
import subprocess
import sys
import tempfile

import generate as G

PLURALS = {v: k for k, v in G.PLURAL.items()}
_PLACES = sorted(G.PLACES.values(), key=len, reverse=True)
CLAUSE = re.compile(
    r"(?:then )?(?P<n>an?|two|three|four) (?P<size>small|large) "
    rf"(?P<colour>{'|'.join(G.COLOURS)}) "
    rf"(?P<shape>{'|'.join(list(PLURALS) + list(G.SHAPES))}) "
    r"(?:(?P<still>stays? still)|moves? (?P<dir>to the right|to the left|up|"
    r"down)|(?P<event>appears?|vanish(?:es)?))"
    rf"(?: (?P<place>{'|'.join(_PLACES)}))?")
WAYS = {v[2]: k for k, v in G.DIRECTIONS.items()}


def norm(t):
    t = re.sub(r"\s+", " ", t.replace("</s>", "")).strip()
    return t.casefold().rstrip(".").strip()


def parse(text):
    """A caption -> list of groups, or None when it is no such caption."""
    out = []
    for part in norm(text).split("; "):
        m = CLAUSE.fullmatch(part)
        if not m:
            return None
        out.append({
            "count": {"a": 1, "an": 1}.get(m["n"]) or
            G.NUMBERS.index(m["n"]),
            "size": m["size"], "colour": m["colour"],
            "shape": PLURALS.get(m["shape"], m["shape"]),
            "act": "still" if m["still"] else WAYS[m["dir"]] if m["dir"]
            else "appear" if m["event"].startswith("appear") else "vanish",
            "place": m["place"]})
    return out


KEYS = ("colour", "shape", "size", "count", "act", "place")


def pair(true, got):
    """The pairing with most agreement: [(true group, group or None)]."""
    got = (got or []) + [None] * len(true)
    agree = lambda t, g: 0 if g is None else sum(
        t[k] == g[k] for k in KEYS) + .5 * (t["colour"] == g["colour"] and
                                            t["shape"] == g["shape"])
    best = max(itertools.permutations(range(len(got)), len(true)),
               key=lambda p: sum(agree(t, got[i]) for t, i in zip(true, p)))
    return [(t, got[i]) for t, i in zip(true, best)]


class Table:
    def __init__(self):
        self.hit, self.all = collections.Counter(), collections.Counter()

    def add(self, key, ok):
        self.all[key] += 1
        self.hit[key] += bool(ok)

    def rows(self):
        return [(k, self.hit[k] / self.all[k], self.all[k])
                for k in self.all]


def score_caption(t, label, text, mistakes):
    scene = label["scene"]
    right = norm(text) == norm(label["caption"])
    if scene["type"] != "shapes":
        t.add("caption: " + scene["type"] + " named", right)
        if scene["type"] == "pattern" and not right:
            mistakes["pattern " + scene["name"]] += 1
        return
    true, got = parse(label["caption"]), parse(text)
    pairs = pair(true, got)
    t.add("caption: every word", right)
    t.add("caption: number of shapes",
          got and sum(g["count"] for g in got) ==
          sum(g["count"] for g in true))
    for a, b in pairs:
        for k in ("colour", "shape", "size", "count"):
            ok = b is not None and a[k] == b[k]
            t.add("caption: " + k, ok)
            if not ok:
                mistakes[f"{k} {a[k]} -> {b and b[k]}"] += 1
        name = "appears or vanishes" if a["act"] in ("appear", "vanish") \
            else "stays or moves, and which way"
        ok = b is not None and a["act"] == b["act"]
        t.add("caption: " + name, ok)
        if not ok:
            mistakes[f"act {a['act']} -> {b and b['act']}"] += 1
        if a["place"]:
            ok = b is not None and a["place"] == b["place"]
            t.add("caption: place", ok)
            if not ok:
                mistakes[f"place {a['place']} -> {b and b['place']}"] += 1
    ev = [id(b) for a, b in pairs if a["act"] in ("appear", "vanish")]
    if len(ev) > 1:
        order = [id(g) for g in got or []]
        at = [order.index(i) if i in order else 99 for i in ev]
        t.add("caption: order of events", at == sorted(set(at)) and
              99 not in at)


def asked(labels, per):
    """(video, question, attribute, answer): the caption, then at most `per`
    questions of each attribute of a clip."""
    for lb in labels:
        yield lb, G.DESCRIBE[0], None, lb["caption"]
        seen = collections.Counter()
        for q in lb["questions"]:
            seen[q["attribute"]] += 1
            if seen[q["attribute"]] <= per:
                yield lb, q["question"], q["attribute"], q["answer"]


def load(paths):
    out = []
    for p in paths:
        with open(p) as f:
            for line in f:
                lb = json.loads(line)
                lb["path"] = os.path.join(os.path.dirname(p), lb["video"])
                out.append(lb)
    return out


def read_answers(path):
    """({(video, question): text}, {(video, question): log probability})"""
    out, sure = {}, {}
    with open(path) as f:
        for line in f:
            if not line.strip():
                continue
            d = json.loads(line)
            video = d.get("video") or d.get("file") or d.get("path") or \
                d.get("uri")
            text = next(d[k] for k in ("text", "caption", "answer")
                        if k in d)
            q = d.get("question") or d.get("prompt") or G.DESCRIBE[0]
            out[os.path.basename(video), q] = text
            if "logprob" in d:
                sure[os.path.basename(video), q] = d["logprob"]
    return out, sure


def torch_answers(model_dir, labels, per):
    """The same questions through transformers, greedy."""
    import torch
    from reference import Reference
    ref = Reference(model_dir, torch.float32)
    out = {}
    for n, lb in enumerate(labels):
        todo = [q for _, q, _, _ in asked([lb], per)]
        frames = G.decode(lb["path"], G.frame_indices(lb["frames"]),
                          lb["width"], lb["height"])
        for q, text in zip(todo, ref.answer(frames, todo)):
            out[lb["video"], q] = text
        if n % 50 == 49:
            print(n + 1, "clips", file=sys.stderr, flush=True)
    return out


def engine_answers(program, model_dir, labels, per):
    """The same questions through the engine in C:
    ({(video, question): text}, {(video, question): log probability})."""
    text, sure = {}, {}
    with tempfile.TemporaryDirectory() as tmp, subprocess.Popen(
            [program, model_dir], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True) as p:
        for n, lb in enumerate(labels):
            path = os.path.join(tmp, f"{n}.rgb")
            with open(path, "wb") as f:
                for im in G.decode(lb["path"], G.frame_indices(lb["frames"]),
                                   lb["width"], lb["height"]):
                    f.write(im.tobytes())
            for _, q, _, _ in asked([lb], per):
                p.stdin.write(f"{path}\t{lb['width']}\t{lb['height']}\t{q}\n")
                p.stdin.flush()
                line = p.stdout.readline().rstrip("\n").split("\t", 3)
                if len(line) != 4:
                    sys.exit(f"{program} gave no answer about {lb['video']}")
                text[lb["video"], q] = line[3]
                sure[lb["video"], q] = float(line[2])
            os.unlink(path)
    return text, sure


def calibration(pairs, bins=10):
    """pairs: [(probability of "Yes.", the truth is "Yes.")]. Rows of (from,
    to, how many, mean probability, part that is "Yes."), and the expected
    calibration error."""
    rows, error = [], 0.
    for b in range(bins):
        part = [x for x in pairs if min(int(x[0] * bins), bins - 1) == b]
        if part:
            mean = sum(p for p, _ in part) / len(part)
            true = sum(t for _, t in part) / len(part)
            error += abs(mean - true) * len(part) / len(pairs)
            rows.append((b / bins, (b + 1) / bins, len(part), mean, true))
    return rows, error


def yes_pairs(labels, got, sure, per):
    out = []
    for lb, q, attr, answer in asked(labels, per):
        said = norm(got.get((lb["video"], q), ""))
        if attr and norm(answer) in ("yes", "no") and said in ("yes", "no"):
            p = math.exp(sure[lb["video"], q])
            out.append((p if said == "yes" else 1 - p,
                        norm(answer) == "yes"))
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("labels", nargs="+")
    ap.add_argument("--captions")
    ap.add_argument("--engine", nargs=2, metavar=("ASK_CLIPS", "MODEL_DIR"))
    ap.add_argument("--torch", metavar="MODEL_DIR")
    ap.add_argument("--save")
    ap.add_argument("--list")
    ap.add_argument("--per", type=int, default=1,
                    help="questions of one attribute per clip")
    ap.add_argument("--limit", type=int)
    ap.add_argument("--mistakes", action="store_true")
    ap.add_argument("--calibration", action="store_true")
    a = ap.parse_args()
    labels = load(a.labels)[:a.limit]
    if a.list:
        with open(a.list, "w") as f:
            for lb, q, _, _ in asked(labels, a.per):
                f.write(json.dumps({"video": lb["video"], "question": q})
                        + "\n")
        return
    if a.torch:
        got, sure = torch_answers(a.torch, labels, a.per), {}
    elif a.engine:
        got, sure = engine_answers(*a.engine, labels, a.per)
    else:
        got, sure = read_answers(a.captions)
    if a.save:
        with open(a.save, "w") as f:
            for (v, q), t in got.items():
                f.write(json.dumps(
                    {"video": v, "question": q, "text": t,
                     **({"logprob": sure[v, q]} if sure else {})}) + "\n")
    t, missing, mistakes = Table(), 0, collections.Counter()
    for lb, q, attr, answer in asked(labels, a.per):
        text = got.get((lb["video"], q))
        if text is None:
            missing += 1
        elif attr is None:
            score_caption(t, lb, text, mistakes)
        else:
            kind = "" if lb["scene"]["type"] == "shapes" else \
                " (no shapes in the clip)"
            t.add(f"question: {attr}{kind}", norm(text) == norm(answer))
    print("| what | right | of |\n|---|---|---|")
    for k, r, n in sorted(t.rows()):
        print(f"| {k} | {100 * r:.1f} % | {n} |")
    if missing:
        print(f"\n{missing} questions have no answer in the file")
    if a.calibration:
        rows, error = calibration(yes_pairs(labels, got, sure, a.per))
        print("\n| probability of yes | questions | mean | it is yes |\n"
              "|---|---|---|---|")
        for low, high, n, mean, true in rows:
            print(f"| {100 * low:.0f}–{100 * high:.0f} % | {n} | "
                  f"{100 * mean:.1f} % | {100 * true:.1f} % |")
        print(f"\nexpected calibration error {100 * error:.1f} %")
    if a.mistakes:
        for k, n in mistakes.most_common(40):
            print(n, k)


if __name__ == "__main__":
    main()
