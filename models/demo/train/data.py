# SPDX-License-Identifier: LGPL-2.1-or-later
"""Feeds train.py: clips drawn on the fly, and a cache of clips that really
went through an encoder.

    data.py CACHE.npz --count 1500 --seed 7      # makes the cache (minutes)

A sample is 8 frames of SIZE x SIZE RGB bytes plus its scene; the text is
made anew every time a sample is used. Dense labels (what lies under every
patch of every frame, and what it does) come from the scene as well.
"""

import argparse
import io
import json
import os
import random
import tempfile

import numpy as np
from PIL import Image

import generate as G

SIZE, PATCH = 96, 16
GRID = SIZE // PATCH
TEXT = 192          # text tokens of a clip; questions that do not fit are left
# How much more often than others a question of this kind is asked. Those that
# make the model find the shape that the question names need the most.
OFTEN = {"colour": 4, "presence": 2, "yes or no": 2, "position": 2,
         "order": 2, "event": 1.5, "count": 1.5, "size": 1.5, "motion": 1.5,
         "shape": .5, "background": .3}
TOTALS = (1, 2, 2, 2, 3, 3, 3, 4, 4)    # shapes in a drawn clip
PATTERN_NAMES = list(G.PATTERNS)


# ---------------------------------------------------------------- cache

def _cache_pattern(rng, name, path, codec):
    w, h = rng.choice(G.VIDEO_SIZES + ((1280, 720), (640, 480), (320, 240)))
    total = rng.choice((8, 15, 30, 30, 45, 60))
    offset = rng.choice((0, 0, 0, rng.randrange(30)))
    if name in ("ball", "bar"):
        offset = rng.randrange(120)
    if w * h > 320 * 240:
        offset, total = min(offset, 60), min(total, 30)
    if name == "blink":
        while not G.blink_visible(total):
            total -= 1
    props = G.PATTERNS[name][0]
    if not isinstance(props, str):
        props = rng.choice(props)
    G.encode_pattern(props, w, h, 30, total + offset, path, codec,
                     rng.choice((18, 23, 28, 34)))
    idx = [offset + i for i in G.frame_indices(total)]
    return {"type": "pattern", "name": name}, G.decode(path, idx, w, h, SIZE)


def make_cache(out, count, seed):
    rng = random.Random(f"cache {seed}")
    frames, scenes = [], []
    jobs = [("pattern", n) for n in PATTERN_NAMES for _ in range(
        max(2, count // 50))]
    jobs += [("shapes", None)] * count
    rng.shuffle(jobs)
    with tempfile.TemporaryDirectory() as tmp:
        for n, (what, name) in enumerate(jobs):
            codec = rng.choice(("h264", "vp8"))
            path = os.path.join(tmp, "c." + {"h264": "mp4",
                                             "vp8": "webm"}[codec])
            if what == "pattern":
                scene, ims = _cache_pattern(rng, name, path, codec)
            else:
                w, h = rng.choice(G.VIDEO_SIZES)
                total = rng.choice((8, 12, 16, 24, 30, 45))
                scene = G.make_scene(rng, w / h)
                G.encode(G.render(scene, np.arange(total) / (total - 1), w, h),
                         w, h, 25, path, codec,
                         rng.choice((20, 23, 26, 30, 34, 38)))
                idx = G.frame_indices(total)
                scene["times"] = [i / (total - 1) for i in idx]
                ims = G.decode(path, idx, w, h, SIZE)
            frames.append(np.stack([np.asarray(i) for i in ims]))
            scenes.append(scene)
            if n % 100 == 99:
                print(n + 1, "/", len(jobs), flush=True)
    np.savez(out, frames=np.stack(frames), scenes=json.dumps(scenes))


def load_cache(path):
    z = np.load(path)
    return list(zip(z["frames"], json.loads(str(z["scenes"]))))


# ------------------------------------------------------------ live clips

def draw(rng, keep=None):
    """One clip as the engine would see it, without a video encoder; `keep`
    draws only that many of its frames."""
    if rng.random() < .04:
        scene = {"type": "texture"}
        w, h = rng.choice(((160, 120), (192, 108)))
        ims = list(G.texture(rng, w, h, keep or G.FRAMES))
    else:
        aspect = rng.choice((4 / 3, 4 / 3, 16 / 9, 16 / 9, 16 / 9, 1.0))
        scene = G.make_scene(rng, aspect, totals=TOTALS)
        h = rng.choice((96, 120, 144, 180))
        w = round(h * aspect)
        total = rng.choice((8, 15, 25, 50, 75, 100, 150, 240))
        if rng.random() < .02:
            total = rng.randint(1, 7)
            if scene["kind"] != "still":
                total = 8
        scene["times"] = [i / max(total - 1, 1)
                          for i in G.frame_indices(total)]
        if keep:
            scene["times"] = sorted(rng.sample(scene["times"], keep))
        ims = list(G.render(scene, scene["times"], w, h))
    if rng.random() < .4:
        q, sub = rng.randint(12, 70), rng.choice((0, 2, 2))
        for k, im in enumerate(ims):
            b = io.BytesIO()
            im.save(b, "jpeg", quality=q, subsampling=sub)
            ims[k] = Image.open(b)
    ims = [np.asarray(i.resize((SIZE, SIZE), Image.BICUBIC)) for i in ims]
    return np.stack(ims), scene


def augment(rng, frames):
    """Cheap changes for clips that are used more than once."""
    if rng.random() < .5:
        return frames
    gain = np.array([rng.uniform(.93, 1.07) for _ in range(3)], np.float32)
    out = frames.astype(np.float32) * gain + rng.uniform(-6, 6)
    if rng.random() < .5:
        out += G._noise(rng, out.shape) * rng.uniform(1, 6)
    return np.clip(out, 0, 255).astype(np.uint8)


# Dense labels, one row per frame and patch.
#   shape 0 none, 1.. SHAPES     colour 0 none, 1.. COLOURS    size 0/1
#   off   centre of the shape relative to the patch, in patches
#   act   0 none, 1 still, 2..5 DIRECTIONS, 6 was here and is gone,
#         7 here now but not in frame 0
#   n     0 none, 1.. shapes in the group
#   order 0 none yet, 1.. place of the group's event among all events, from
#         the frame on that shows it
#   cell  0 none, 1.. the ninth of the picture that the shape's centre is in
#   pat   0 shapes, 1 texture, 2.. PATTERNS (per clip);  bg per clip
SH = {s: i + 1 for i, s in enumerate(G.SHAPES)}
CO = {c: i + 1 for i, c in enumerate(G.COLOURS)}
DI = {d: i + 2 for i, d in enumerate(G.DIRECTIONS)}
BG = {b: i for i, b in enumerate(G.BACKGROUNDS)}
_CX = (np.arange(GRID) + .5) / GRID


def dense(scene):
    n, frames = GRID * GRID, scene.get("n", G.FRAMES)
    # shape colour size act n order cell
    lab = np.zeros((frames, n, 7), np.int64)
    off = np.zeros((frames, n, 2), np.float32)
    if scene["type"] != "shapes":
        pat = 1 if scene["type"] == "texture" else \
            2 + PATTERN_NAMES.index(scene["name"])
        return lab, off, pat, -1
    best = np.full((frames, n), 9.)
    yy, xx = np.meshgrid(_CX, _CX, indexing="ij")
    xx, yy = xx.ravel(), yy.ravel()
    events = G.ordered(scene)[1]
    for g in scene["groups"]:
        r = g["radius"]
        rank = 1 + [e is g for e in events].index(True) if "at" in g else 0
        for it in g["items"]:
            for k, u in enumerate(scene["times"]):
                x, y = G.where(it, u)
                d = np.maximum(np.abs(xx - x) / (r / scene["aspect"] * .8 +
                                                 .4 / GRID),
                               np.abs(yy - y) / (r * .8 + .4 / GRID))
                here = d < np.minimum(best[k], 1)
                if G.visible(g, u):
                    best[k][here] = d[here]
                    x0, y0 = G.where(it, scene["times"][0])
                    cell = 1 + min(int(y * 3), 2) * 3 + min(int(x * 3), 2)
                    if g["act"] == "move":
                        far = abs(x - x0) + abs(y - y0) > .03
                        act = DI[g["dir"]] if far else 1
                    else:
                        act = 7 if not G.visible(g, 0.) else 1
                    lab[k][here] = (SH[g["shape"]], CO[g["colour"]],
                                    g["size"] == "large", act, g["count"],
                                    rank if act == 7 else 0, cell)
                    off[k, here, 0] = (x - xx[here]) * GRID
                    off[k, here, 1] = (y - yy[here]) * GRID
                elif G.visible(g, 0.):
                    here &= lab[k, :, 0] == 0
                    lab[k, here, 3] = 6
                    lab[k, here, 5] = rank
    return lab, off, 0, BG[scene["bg"]]


class Stream:
    """Endless batches. `fresh` of every batch are new drawings, the rest
    comes from the last `pool` drawings and from the cache."""

    def __init__(self, encode, cache, seed, batch=32, fresh=.4, real=.25,
                 pool=4000, segments=24, keep=None):
        self.encode, self.cache = encode, cache
        self.rng = random.Random(f"stream {seed}")
        self.batch, self.fresh, self.real = batch, fresh, real
        self.limit, self.segments = pool, segments
        self.pool, self.at, self.keep = [], 0, keep

    def _next(self, n):
        rng = self.rng
        if n < self.real * self.batch and self.cache:
            f, s = rng.choice(self.cache)
            if self.keep:
                k = sorted(rng.sample(range(G.FRAMES), self.keep))
                f, s = f[k], dict(s, n=self.keep)
                if "times" in s:
                    s["times"] = [s["times"][i] for i in k]
            return augment(rng, f), s
        if n >= (1 - self.fresh) * self.batch or len(self.pool) < self.batch:
            item = draw(rng, self.keep)
            if self.keep:
                item[1]["n"] = self.keep
            if len(self.pool) < self.limit:
                self.pool.append(item)
            else:
                self.pool[self.at] = item
                self.at = (self.at + 1) % self.limit
            return item
        f, s = rng.choice(self.pool)
        return augment(rng, f), s

    def text(self, scene):
        rng = self.rng
        qs = [(rng.choice(G.DESCRIBE), G.caption(scene))]
        more = {q: (a, rng.random() ** (1 / OFTEN.get(kind, 1)))
                for kind, q, a in G.questions(scene, rng) +
                G.questions(scene, rng) + G.lookups(scene, rng)}
        more = [(q, a) for q, (a, _) in
                sorted(more.items(), key=lambda x: -x[1][1])]
        ids, seg, tgt = [], [], []
        for k, (q, a) in enumerate(qs + more[:self.segments - 1]):
            if k == 0 and rng.random() < .6:
                q = G.DESCRIBE[0]
            p, r = self.encode("\n" + q + "\n"), self.encode(a) + [2]
            if len(ids + p + r) > TEXT:
                continue
            ids += p + r
            seg += [k + 1] * len(p + r)
            # the token at i predicts target i
            tgt += [-1] * (len(p) - 1) + r + [-1]
        return ids, seg, tgt

    def __iter__(self):
        while True:
            items = [self._next(n) for n in range(self.batch)]
            self.rng.shuffle(items)
            texts = [self.text(s) for _, s in items] \
                if not self.keep else [([0], [0], [-1])]
            arr = np.zeros((3, len(texts), TEXT), np.int64)
            arr[2] = -1
            for b, t in enumerate(texts):
                for k in range(3):
                    arr[k, b, :len(t[k])] = t[k]
            lab, off, pat, bg = zip(*(dense(s) for _, s in items))
            yield {"frames": np.stack([f for f, _ in items]),
                   "ids": arr[0], "seg": arr[1], "tgt": arr[2],
                   "lab": np.stack(lab), "off": np.stack(off),
                   "pat": np.array(pat), "bg": np.array(bg)}


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out")
    ap.add_argument("--count", type=int, default=1500)
    ap.add_argument("--seed", type=int, default=7)
    a = ap.parse_args()
    make_cache(a.out, a.count, a.seed)
