#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the original judge program makes of ../shared/eval.

    make_judge_reference.py EVAL_DIR

Follows mixtral_eval.py step by step (spec 7.3 to 7.8, join by position), with
the replies that tests/remote/test_server.c gives, and prints what
tests/pipelines/neva_judge.c compares with: the SHA-256 of the prompts, of the result
rows with the answer ids blanked, and the table.
"""
import hashlib
import json
import re
import sys

import numpy as np


def reply(prompt):
    h = hashlib.sha256(prompt.encode()).digest()
    if h[2] % 10 == 0:
        return "I cannot say."
    if h[2] % 10 == 1:
        return "Score: 8 7"
    second = f"{h[1] % 10}.5" if h[1] % 2 else f"{h[1] % 10}"
    return f"{1 + h[0] % 10}{', ' if h[3] % 2 else ' '}{second}\n" \
           f"Because é {h[4]:02x}{h[5]:02x}"


def parse_score(review):
    pair = review.split("\n")[0].replace(",", " ").split()
    if len(pair) == 2:
        try:
            return [float(pair[0]), float(pair[1])]
        except ValueError:
            return [-1, -1]
    return [-1, -1]


def lines(path):
    return [json.loads(line) for line in open(path)]


def main():
    folder = sys.argv[1]
    questions = lines(folder + "/qa90_questions.jsonl")
    contexts = {}
    for c in lines(folder + "/caps_boxes_coco2014_val_80.jsonl"):
        contexts[c["image"]] = "\n".join(c["captions"])
    rules = json.load(open(folder + "/rule.json"))
    first = [a["text"] for a in lines(folder + "/qa90_gpt4_answer.jsonl")]
    # the second model answers each question with the next one's answer
    second = first[1:] + first[:1]

    prompts = hashlib.sha256()
    rows = ""
    scores = {}
    n = 0
    for i, q in enumerate(questions):
        category = "llava_bench_" + q["category"]
        rule = rules[category]
        role = rule["role"]
        prompt = (f"[Context]\n{contexts[q['image']]}\n\n"
                  f"[Question]\n{q['text']}\n\n"
                  f"[{role} 1]\n{first[i]}\n\n[End of {role} 1]\n\n"
                  f"[{role} 2]\n{second[i]}\n\n[End of {role} 2]\n\n"
                  f"[System]\n{rule['prompt']}\n\n")
        prompts.update(prompt.encode() + b"\0")
        content = reply(prompt)
        pair = parse_score(content)
        n += 1
        rows += json.dumps({
            "id": n, "question_id": q["question_id"], "answer1_id": "X",
            "answer2_id": "X", "category": category, "content": content,
            "tuple": pair}) + "\n"
        scores.setdefault(category, []).append(pair)
        scores.setdefault("all", []).append(pair)
    print("prompts", prompts.hexdigest())
    print("rows   ", hashlib.sha256(rows.encode()).hexdigest())
    for key in sorted(scores):
        stats = [round(x, 3) for x in np.asarray(scores[key]).mean(0).tolist()]
        print(key, *[round(x * 10, 1) for x in stats])
    print("=" * 33)


main()
