# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws the clips that the demo model learns from, and asks about them.

    seed -> scene (a dict: background, groups of shapes, camera)
         -> frames at any size and time      render()
         -> caption, questions and answers   caption(), questions()

A scene is at most three groups and at most four shapes. The shapes of one
group share colour, shape, size and behaviour. A group stays, moves, appears
or vanishes. Times are fractions of the clip, positions fractions of the
frame. Everything that the labels say is decided before anything is drawn.

As a program it writes a set of encoded videos with labels:

    generate.py --eval OUT_DIR --count 300 --seed 1 --codec h264
    generate.py --samples OUT_DIR      # the clips of ../clips
"""

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FRAMES = 8

COLOURS = {  # the order here is the order inside a caption
    "red": (220, 25, 25),
    "orange": (245, 135, 15),
    "yellow": (240, 225, 30),
    "green": (25, 165, 50),
    "blue": (30, 60, 220),
    "purple": (145, 40, 175),
    "white": (245, 245, 245),
    "black": (12, 12, 12),
}
BACKGROUNDS = {  # name -> (rgb, colours that would be lost on it)
    "black": ((10, 10, 10), ("black",)),
    "white": ((240, 240, 240), ("white",)),
    "gray": ((128, 128, 128), ()),
    "dark blue": ((15, 22, 85), ("blue", "purple", "black")),
    "dark green": ((14, 62, 26), ("green", "black")),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
PLURAL = {s: s + ("es" if s == "cross" else "s") for s in SHAPES}
NUMBERS = ("no", "one", "two", "three", "four")
DIRECTIONS = {
    "right": (1, 0, "to the right"),
    "left": (-1, 0, "to the left"),
    "up": (0, -1, "up"),
    "down": (0, 1, "down"),
}
PLACES = {  # (column, row) -> words
    (0, 0): "at the top left", (1, 0): "at the top", (2, 0): "at the top right",
    (0, 1): "on the left", (1, 1): "in the centre", (2, 1): "on the right",
    (0, 2): "at the bottom left", (1, 2): "at the bottom",
    (2, 2): "at the bottom right",
}
SIZES = {"small": (0.095, 0.12), "large": (0.175, 0.22)}  # radius / height

# videotestsrc patterns: answer name -> (properties, sentence).
PATTERNS = {
    "smpte": ("pattern=smpte", "The SMPTE colour bars test pattern."),
    "smpte75": ("pattern=smpte75", "The SMPTE 75% colour bars test pattern."),
    "smpte100": ("pattern=smpte100", "The SMPTE 100% colour bars test pattern."),
    "smpte-rp-219": ("pattern=smpte-rp-219",
                     "The SMPTE RP 219 colour bars test pattern."),
    "snow": ("pattern=snow", "The snow test pattern: random noise."),
    "checkers": (("pattern=checkers-1", "pattern=checkers-2",
                  "pattern=checkers-4", "pattern=checkers-8"),
                 "The checkers test pattern."),
    "circular": ("pattern=circular", "The circular test pattern: fine rings."),
    "blink": ("pattern=blink",
              "The blink test pattern: the picture flashes."),
    "zone-plate": (("pattern=zone-plate kx2=20 ky2=20 kt=1",
                    "pattern=zone-plate kx2=20 ky2=20",
                    "pattern=zone-plate kx2=10 ky2=10 kt=2"),
                   "The zone plate test pattern."),
    "chroma-zone-plate": (("pattern=chroma-zone-plate kx2=20 ky2=20 kt=1",
                           "pattern=chroma-zone-plate kx2=10 ky2=10 kt=2"),
                          "The chroma zone plate test pattern."),
    "gamut": ("pattern=gamut", "The gamut test pattern."),
    "ball": ("pattern=ball",
             "The ball test pattern: a white ball moves over black."),
    "bar": (("pattern=bar", "pattern=bar horizontal-speed=2",
             "pattern=bar horizontal-speed=5"),
            "The bar test pattern: a white bar on black."),
    "pinwheel": ("pattern=pinwheel", "The pinwheel test pattern."),
    "spokes": ("pattern=spokes", "The spokes test pattern."),
    "gradient": ("pattern=gradient",
                 "The gradient test pattern: black turns into white."),
    "colors": ("pattern=colors", "The colors test pattern."),
    "black": ("pattern=black", "A plain black picture."),
    "white": (("pattern=white", "pattern=solid-color"),
              "A plain white picture."),
    "red": (("pattern=red", "pattern=solid-color foreground-color=0xffff0000"),
            "A plain red picture."),
    "green": (("pattern=green",
               "pattern=solid-color foreground-color=0xff00ff00"),
              "A plain green picture."),
    "blue": (("pattern=blue",
              "pattern=solid-color foreground-color=0xff0000ff"),
             "A plain blue picture."),
    "gray": (("pattern=zone-plate",
              "pattern=solid-color foreground-color=0xff808080"),
             "A plain gray picture."),
    "yellow": ("pattern=solid-color foreground-color=0xffffff00",
               "A plain yellow picture."),
}
PLAIN = ("black", "white", "red", "green", "blue", "gray", "yellow")
UNKNOWN = "Nothing that I know."

DESCRIBE = ("Describe the video.", "Describe the video.",
            "Describe the video.", "What is in the video?",
            "What do you see?", "What happens in the video?",
            "Describe this video.", "Can you describe the scene?",
            "Write a caption.", "What is happening?")


# --------------------------------------------------------------- scenes

def frame_indices(total, frames=FRAMES):
    """The product's choice: evenly spaced, the last one repeated."""
    m = min(total, frames)
    idx = np.linspace(0, total - 1, m).astype(int).tolist()
    return idx + [idx[-1]] * (frames - m)


def _place_group(rng, group, others, aspect):
    """Finds positions for one group; False if there is no room."""
    r = group["radius"]
    rx, ry = r / aspect, r
    lo_x, hi_x, lo_y, hi_y = rx + .02, .98 - rx, ry + .02, .98 - ry
    dx = dy = 0.0
    if group["act"] == "move":
        ux, uy, _ = DIRECTIONS[group["dir"]]
        d = rng.uniform(.26, .62)
        dx, dy = ux * d, uy * d
    items, cells = [], []
    for _ in range(group["count"]):
        for _ in range(30):
            if group["act"] == "move":
                x = rng.uniform(lo_x - min(dx, 0), hi_x - max(dx, 0)) \
                    if hi_x - max(dx, 0) > lo_x - min(dx, 0) else None
                y = rng.uniform(lo_y - min(dy, 0), hi_y - max(dy, 0)) \
                    if hi_y - max(dy, 0) > lo_y - min(dy, 0) else None
                if x is None or y is None:
                    return False
                cell = None
            else:
                cell = (rng.randrange(3), rng.randrange(3))
                x = (.18, .5, .82)[cell[0]] + rng.uniform(-.06, .06)
                y = (.2, .5, .8)[cell[1]] + rng.uniform(-.06, .06)
                x = min(max(x, lo_x), hi_x)
                y = min(max(y, lo_y), hi_y)
            item = {"x": x, "y": y, "dx": dx, "dy": dy, "r": r,
                    "u0": group.get("u0", 0.), "u1": group.get("u1", 1.)}
            if all(_apart(item, o, aspect) for o in others + items):
                items.append(item)
                cells.append(cell)
                break
        else:
            return False
    group["items"], group["cells"] = items, cells
    return True


def _where(item, u):
    s = min(max((u - item["u0"]) / max(item["u1"] - item["u0"], 1e-6), 0.), 1.)
    return item["x"] + item["dx"] * s, item["y"] + item["dy"] * s


def _apart(a, b, aspect):
    near = (a["r"] + b["r"]) * 1.12
    for k in range(15):
        (ax, ay), (bx, by) = _where(a, k / 14), _where(b, k / 14)
        if ((ax - bx) * aspect) ** 2 + (ay - by) ** 2 < near * near:
            return False
    return True


PARTITIONS = {1: [(1,)], 2: [(1, 1), (1, 1), (2,)],
              3: [(1, 1, 1), (2, 1), (1, 2), (3,)],
              4: [(1, 1, 2), (2, 1, 1), (2, 2), (1, 3), (3, 1), (4,)]}


def make_scene(rng, aspect=None, kind=None, camera=True):
    """A scene of shapes. rng is a random.Random."""
    aspect = aspect or rng.choice((4 / 3, 4 / 3, 16 / 9, 16 / 9, 1.0))
    kind = kind or rng.choices(("still", "move", "event"), (22, 43, 35))[0]
    while True:
        bg = rng.choice(list(BACKGROUNDS)[:3] * 2 + list(BACKGROUNDS)[3:])
        total = rng.choice((1, 1, 2, 2, 3, 3, 4))
        groups, seen, others = [], set(), []
        for n in rng.choice(PARTITIONS[total]):
            while True:
                colour = rng.choice([c for c in COLOURS
                                     if c not in BACKGROUNDS[bg][1]])
                shape = rng.choice(SHAPES)
                if (colour, shape) not in seen and not (
                        bg == "black" and (colour, shape) ==
                        ("white", "circle")):
                    break
            seen.add((colour, shape))
            size = rng.choice(("small", "large"))
            groups.append({"count": n, "colour": colour, "shape": shape,
                           "size": size,
                           "radius": rng.uniform(*SIZES[size]),
                           "act": "still"})
        acts = ["still"] * len(groups)
        if kind == "move":
            acts = [rng.choice(("move", "move", "still")) for _ in groups]
            acts[rng.randrange(len(acts))] = "move"
        elif kind == "event":
            acts = [rng.choices(("appear", "vanish", "still", "move"),
                                (40, 34, 16, 10))[0] for _ in groups]
            acts[rng.randrange(len(acts))] = rng.choice(("appear", "vanish"))
        steps = rng.sample(range(2, 7), len(groups))
        if len(groups) == 3 and len(set(acts) & {"appear", "vanish"}) and \
                rng.random() < .5:
            steps = rng.sample((2, 4, 6), 3)
        for g, act, step in zip(groups, acts, steps):
            g["act"] = act
            if act == "move":
                g["dir"] = rng.choice(list(DIRECTIONS))
                if rng.random() < .25:
                    g["u0"] = rng.uniform(0, .35)
                    g["u1"] = rng.uniform(g["u0"] + .5, 1)
            elif act != "still":
                g["step"] = step
                g["at"] = (step - .5 + rng.uniform(-.3, .3)) / (FRAMES - 1)
        ok = True
        for g in groups:
            if not any(_place_group(rng, g, others, aspect)
                       for _ in range(6)):
                ok = False
                break
            others += g["items"]
        if ok:
            break
    cam = {}
    if camera:
        cam = {"noise": rng.choice((0, 0, 2, 4, 8, 12)),
               "blur": rng.choice((0, 0, 0, .3, .6)),
               "shake": rng.choice((0, 0, .004, .01)),
               "flicker": rng.choice((0, 0, .02, .05)),
               "tilt": rng.uniform(-.25, .25),
               "gain": [rng.uniform(.92, 1.06) for _ in range(3)],
               "seed": rng.randrange(1 << 30)}
    jit = lambda c, a: [min(255, max(0, v + rng.randint(-a, a))) for v in c]
    for g in groups:
        g["rgb"] = jit(COLOURS[g["colour"]], 10)
        g["angle"] = rng.uniform(-7, 7)
    return {"type": "shapes", "kind": kind, "aspect": aspect, "bg": bg,
            "bg_rgb": jit(BACKGROUNDS[bg][0], 8), "groups": groups,
            "camera": cam}


# -------------------------------------------------------------- drawing

def _poly(shape):
    """Corners of a shape of radius 1 around 0."""
    if shape == "square":
        a = .84
        return [(-a, -a), (a, -a), (a, a), (-a, a)]
    if shape == "triangle":
        return [(0, -.98), (.95, .8), (-.95, .8)]
    if shape == "star":
        out = []
        for k in range(10):
            rad, th = (1.05 if k % 2 == 0 else .42), np.pi * (k / 5 - .5)
            out.append((rad * np.cos(th), rad * np.sin(th)))
        return out
    b = .32
    return [(-b, -1), (b, -1), (b, -b), (1, -b), (1, b), (b, b),
            (b, 1), (-b, 1), (-b, b), (-1, b), (-1, -b), (-b, -b)]


def shape_mask(shape, rx, ry, angle, aa=4):
    """An antialiased 8-bit mask, and its centre is the shape's centre."""
    w, h = int(2 * rx + 6) | 1, int(2 * ry + 6) | 1
    m = Image.new("L", (w * aa, h * aa), 0)
    d = ImageDraw.Draw(m)
    cx, cy, sx, sy = w * aa / 2, h * aa / 2, rx * aa, ry * aa
    if shape in ("circle", "ring"):
        d.ellipse((cx - sx, cy - sy, cx + sx, cy + sy), fill=255)
        if shape == "ring":
            d.ellipse((cx - sx * .58, cy - sy * .58,
                       cx + sx * .58, cy + sy * .58), fill=0)
    else:
        th = np.deg2rad(angle)
        co, si = np.cos(th), np.sin(th)
        d.polygon([(cx + sx * (x * co - y * si), cy + sy * (x * si + y * co))
                   for x, y in _poly(shape)], fill=255)
    return m.reduce(aa)


_NOISE = None


def _noise(rng, shape):
    """A window into a fixed field of unit normal noise."""
    global _NOISE
    if _NOISE is None or _NOISE.size < 4 * int(np.prod(shape)):
        _NOISE = np.random.default_rng(0).standard_normal(
            max(1 << 21, 4 * int(np.prod(shape)))).astype(np.float32)
    n = int(np.prod(shape))
    o = rng.randrange(_NOISE.size - n)
    return _NOISE[o:o + n].reshape(shape)


def draw_base(scene, w, h):
    base = np.empty((h, w, 3), np.float32)
    base[:] = scene["bg_rgb"]
    tilt = scene["camera"].get("tilt", 0)
    if tilt:
        ramp = np.linspace(-tilt, tilt, w if scene["camera"]["seed"] & 1 else h)
        ramp = ramp[None, :, None] if scene["camera"]["seed"] & 1 \
            else ramp[:, None, None]
        base = base * (1 + ramp * .6)
    return Image.fromarray(np.clip(base, 0, 255).astype(np.uint8))


def visible(group, u):
    return not (group["act"] == "appear" and u < group["at"]
                or group["act"] == "vanish" and u >= group["at"])


def render(scene, times, w, h, noise=True):
    """Yields one RGB image (Pillow) for every time in `times` (0..1)."""
    cam = scene["camera"]
    rng = random.Random(cam.get("seed", 0))
    base = draw_base(scene, w, h)
    masks = []
    for g in scene["groups"]:
        r = g["radius"] * h
        rx = r * w / h / scene["aspect"]
        masks.append(shape_mask(g["shape"], rx, r, g["angle"],
                                4 if r < 80 else 2))
    gain = np.array(cam.get("gain", (1, 1, 1)), np.float32)
    for u in times:
        img = base.copy()
        sx, sy = (rng.uniform(-1, 1) * cam.get("shake", 0) for _ in "xy")
        for g, m in zip(scene["groups"], masks):
            if not visible(g, u):
                continue
            for it in g["items"]:
                x, y = _where(it, u)
                img.paste(tuple(g["rgb"]),
                          (round((x + sx) * w - m.width / 2),
                           round((y + sy) * h - m.height / 2)), m)
        if cam.get("blur"):
            img = img.filter(ImageFilter.GaussianBlur(cam["blur"] * h / 96))
        if cam:
            f = 1 + rng.uniform(-1, 1) * cam["flicker"]
            lut = [min(255, int(v * f * gn)) for gn in gain for v in range(256)]
            img = img.point(lut)
            if cam["noise"] and noise:
                a = np.asarray(img, np.float32)
                a = a + _noise(rng, a.shape) * cam["noise"]
                img = Image.fromarray(np.clip(a, 0, 255).astype(np.uint8))
        yield img


def texture(rng, w, h, frames):
    """Pictures of nothing in particular, so that the model may say so."""
    g = np.random.default_rng(rng.randrange(1 << 30))
    layers = np.zeros((h, w, 3), np.float32)
    for n in (2, 4, 8, 16, 32)[:rng.randint(2, 5)]:
        small = g.random((n, max(2, int(n * w / h)), 3)).astype(np.float32)
        if rng.random() < .4:
            small = small.mean(2, keepdims=True).repeat(3, 2)
        im = Image.fromarray((small * 255).astype(np.uint8))
        big = im.resize((w, h), rng.choice((Image.BICUBIC, Image.NEAREST)))
        layers += np.asarray(big, np.float32) / n ** rng.uniform(.1, .9)
    layers -= layers.min()
    layers *= rng.uniform(150, 255) / max(layers.max(), 1)
    pan = (rng.uniform(-3, 3), rng.uniform(-3, 3))
    for k in range(frames):
        out = np.roll(layers, (int(pan[0] * k), int(pan[1] * k)), (0, 1))
        yield Image.fromarray(np.clip(out, 0, 255).astype(np.uint8))


# --------------------------------------------------------------- labels

def noun(g, count=None, size=True):
    n = g["count"] if count is None else count
    words = ["a" if n == 1 else NUMBERS[n]]
    if size:
        words.append(g["size"])
    words += [g["colour"], g["shape"] if n == 1 else PLURAL[g["shape"]]]
    if words[0] == "a" and words[1][0] in "aeiou":
        words[0] = "an"
    return " ".join(words)


def place(g):
    return PLACES[tuple(g["cells"][0])]


def clause(g):
    s = "s" if g["count"] == 1 else ""
    at = " " + place(g) if g["count"] == 1 and g["act"] != "move" else ""
    if g["act"] == "still":
        return noun(g) + (" stays" if s else " stay") + " still" + at
    if g["act"] == "move":
        return noun(g) + f" move{s} " + DIRECTIONS[g["dir"]][2]
    return noun(g) + " " + g["act"] + ("es" if s and g["act"] == "vanish"
                                       else s) + at


def sentence(text):
    return text[0].upper() + text[1:] + "."


def ordered(scene):
    """Groups in the order of the caption, and those with an event."""
    rank = {c: i for i, c in enumerate(COLOURS)}
    shape = {s: i for i, s in enumerate(SHAPES)}
    key = lambda g: (rank[g["colour"]], shape[g["shape"]])
    calm = sorted((g for g in scene["groups"] if "at" not in g), key=key)
    events = sorted((g for g in scene["groups"] if "at" in g),
                    key=lambda g: g["at"])
    return calm, events


def caption(scene):
    if scene["type"] == "pattern":
        return PATTERNS[scene["name"]][1]
    if scene["type"] == "texture":
        return UNKNOWN
    calm, events = ordered(scene)
    parts = [clause(g) for g in calm]
    parts += [("then " if i else "") + clause(g) for i, g in enumerate(events)]
    return sentence("; ".join(parts))


def questions(scene, rng):
    """[(attribute, question, answer)] for one scene, in no special order."""
    col = rng.choice(("colour", "colour", "color"))
    q = []
    if scene["type"] != "shapes":
        plain = scene["type"] == "pattern" and scene["name"] in PLAIN
        name = f"The {scene['name']} pattern." \
            if scene["type"] == "pattern" else "None."
        q.append(("pattern", rng.choice((
            "Which test pattern is this?", "What test pattern is this?",
            "Is this a test pattern?")), name))
        q.append(("count", "How many shapes are there?", "None."))
        if plain:
            q.append(("colour", f"What {col} is the picture?",
                      scene["name"].capitalize() + "."))
        s = rng.choice(SHAPES)
        q.append(("presence", f"Is there a {s}?", "No."))
        q.append(("colour", f"What {col} is the {s}?", f"There is no {s}."))
        q.append(("order", "What happens first?", "Nothing happens."))
        return q
    groups = scene["groups"]
    calm, events = ordered(scene)
    movers = [g for g in calm if g["act"] == "move"]
    total = sum(g["count"] for g in groups)
    number = lambda n: "None." if n == 0 else NUMBERS[n].capitalize() + "."
    of_shape = {s: [g for g in groups if g["shape"] == s] for s in SHAPES}
    of_colour = {c: [g for g in groups if g["colour"] == c] for c in COLOURS}
    q.append(("count", rng.choice(("How many shapes are there?",
                                   "How many shapes do you see?",
                                   "How many shapes are in the video?")),
              number(total)))
    q.append(("background", f"What {col} is the background?",
              scene["bg"].capitalize() + "."))
    absent = [s for s in SHAPES if not of_shape[s]]
    s = rng.choice(absent)
    q.append(("presence", f"Is there a {s}?", "No."))
    if rng.random() < .4:
        s = rng.choice(absent)
        q.append(rng.choice((
            ("colour", f"What {col} is the {s}?", f"There is no {s}."),
            ("motion", f"Which way does the {s} move?",
             f"There is no {s}."))))
    g = rng.choice(groups)
    shape_n = sum(x["count"] for x in of_shape[g["shape"]])
    many = PLURAL[g["shape"]]
    q.append(("presence", f"Is there a {g['shape']}?", "Yes."))
    q.append(("count", f"How many {many} are there?", number(shape_n)))
    if rng.random() < .3:
        c, s = rng.choice(list(COLOURS)), rng.choice(SHAPES)
        n = sum(x["count"] for x in groups if (x["colour"], x["shape"])
                == (c, s))
        q.append(("count", f"How many {c} {PLURAL[s]} are there?", number(n)))
    else:
        q.append(("count", f"How many {g['colour']} {many} are there?",
                  number(g["count"])))
    for g in groups:
        one = g["count"] == 1
        the = g["shape"] if one else PLURAL[g["shape"]]
        is_, does = ("is", "does") if one else ("are", "do")
        if len(of_shape[g["shape"]]) == 1:
            q.append(("colour", f"What {col} {is_} the {the}?",
                      g["colour"].capitalize() + "."))
            ref = rng.choice((the, f"{g['colour']} {the}"))
        else:
            ref = f"{g['colour']} {the}"
        if len(of_colour[g["colour"]]) == 1:
            if one:
                q.append(("shape", rng.choice((
                    f"What shape is {g['colour']}?",
                    f"Which shape is {g['colour']}?",
                    f"What is the {g['colour']} shape?")),
                    f"A {g['shape']}."))
            else:
                q.append(("shape", f"Which shapes are {g['colour']}?",
                          PLURAL[g["shape"]].capitalize() + "."))
        q.append(("size", f"{is_.capitalize()} the {ref} small or large?",
                  g["size"].capitalize() + "."))
        if g["act"] == "move":
            ans = DIRECTIONS[g["dir"]][2]
            ans = sentence(ans)
        else:
            ans = "It stays still." if one else "They stay still."
        if "at" not in g:
            q.append(("motion", rng.choice((
                f"Which way {does} the {ref} move?",
                f"Where {does} the {ref} go?",
                f"In which direction {does} the {ref} move?",
                f"Which direction {does} the {ref} move?")), ans))
        if one and g["act"] != "move":
            q.append(("position", f"Where is the {ref}?", sentence(place(g))))
    q.append(("motion", rng.choice(("Is anything moving?",
                                    "Does anything move?")),
              "Yes." if movers else "No."))
    q.append(("motion", rng.choice(("What moves?", "What is moving?")),
              sentence(" and ".join(noun(g, size=False) for g in movers))
              if movers else "Nothing."))
    for act in ("appear", "vanish"):
        which = [g for g in events if g["act"] == act]
        if act == "vanish":
            text = rng.choice(("What vanishes?", "What disappears?"))
        else:
            text = "What appears?"
        q.append(("event", text, sentence(
            " and ".join(noun(g, size=False) for g in which))
            if which else "Nothing."))
    q.append(("order", "What happens first?", sentence(clause(events[0]))
              if events else sentence(clause(movers[0])) if movers
              else "Nothing happens."))
    if len(events) > 1:
        q.append(("order", "What happens last?",
                  sentence(clause(events[-1]))))
    if rng.random() < .15:
        q.append(("pattern", "Which test pattern is this?", "None."))
    return q


# ------------------------------------------------- encoded video on disk

def _run(cmd, **kw):
    return subprocess.run(cmd, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **kw)


def encode(frames, w, h, fps, path, codec, quality):
    """Pipes RGB frames through FFmpeg's x264 or libvpx (VP8)."""
    if codec == "h264":
        args = ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(quality)]
    else:
        args = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "5",
                "-crf", str(min(quality, 50)), "-b:v", "1M"]
    p = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24",
         "-s", f"{w}x{h}", "-r", str(fps), "-i", "-", *args, "-threads", "1",
         "-g", "60", "-pix_fmt", "yuv420p", path], stdin=subprocess.PIPE)
    for f in frames:
        p.stdin.write(f.tobytes())
    p.stdin.close()
    if p.wait():
        raise RuntimeError(f"ffmpeg failed on {path}")


def encode_pattern(props, w, h, fps, total, path, codec, quality):
    enc = f"x264enc speed-preset=veryfast pass=quant quantizer={quality} " \
        "threads=1 ! mp4mux" if codec == "h264" else \
        "vp8enc deadline=1 cpu-used=5 target-bitrate=1500000 ! webmmux"
    _run(["gst-launch-1.0", "-q", *(
        f"videotestsrc {props} num-buffers={total} ! video/x-raw,format=I420,"
        f"width={w},height={h},framerate={fps}/1 ! {enc} ! filesink "
        f"location={path}").split()])


def decode(path, indices, w, h, size=None):
    """The chosen frames of a file as Pillow images, in presentation order."""
    raw = _run(["ffmpeg", "-v", "error", "-threads", "1", "-i", path, "-f",
                "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough",
                "-"]).stdout
    n = w * h * 3
    out = []
    for i in indices:
        i = min(i, len(raw) // n - 1)
        im = Image.frombytes("RGB", (w, h), raw[i * n:(i + 1) * n])
        out.append(im.resize((size, size), Image.BICUBIC) if size else im)
    return out


VIDEO_SIZES = ((320, 240), (640, 360), (320, 180), (480, 360), (640, 480))


def pick_video(rng):
    w, h = rng.choice(VIDEO_SIZES)
    fps = rng.choice((15, 24, 25, 30))
    total = max(8, int(fps * rng.choice((1, 2, 2, 3, 4, 4, 6, 8))))
    return w, h, fps, min(total, 120)


def blink_visible(total):
    return len({i % 2 for i in frame_indices(total)}) == 2


def write_clip(rng, path, codec, kind=None, pattern=None):
    """Draws, encodes and writes one clip; returns (scene, w, h, fps, total)."""
    w, h, fps, total = pick_video(rng)
    q = rng.choice((20, 23, 26, 30, 34))
    if pattern:
        while pattern == "blink" and not blink_visible(total):
            total -= 1
        props = PATTERNS[pattern][0]
        if not isinstance(props, str):
            props = rng.choice(props)
        scene = {"type": "pattern", "name": pattern, "props": props}
        encode_pattern(props, w, h, fps, total, path, codec, q)
    elif kind == "texture":
        scene = {"type": "texture"}
        encode(texture(rng, w, h, total), w, h, fps, path, codec, q)
    else:
        scene = make_scene(rng, w / h, kind)
        times = np.arange(total) / (total - 1)
        encode(render(scene, times, w, h), w, h, fps, path, codec, q)
    return scene, w, h, fps, total


def write_eval(out, count, seed, codec, patterns=True):
    """count clips of shapes, two of every test pattern, a few textures."""
    rng = random.Random(f"eval {seed} {codec}")
    os.makedirs(out, exist_ok=True)
    ext = {"h264": "mp4", "vp8": "webm"}[codec]
    jobs = [(None, None)] * count
    if patterns:
        jobs += [(None, p) for p in PATTERNS for _ in range(2)]
        jobs += [("texture", None)] * max(4, count // 50)
    with open(os.path.join(out, "labels.jsonl"), "w") as f:
        for n, (kind, pattern) in enumerate(jobs):
            name = f"{codec}-{n:04}.{ext}"
            scene, w, h, fps, total = write_clip(
                rng, os.path.join(out, name), codec, kind, pattern)
            f.write(json.dumps({
                "video": name, "width": w, "height": h, "fps": fps,
                "frames": total, "caption": caption(scene),
                "questions": [{"attribute": a, "question": q, "answer": t}
                              for a, q, t in questions(scene, rng)],
                "scene": scene}) + "\n")
            f.flush()


# ---------------------------------------------------- the shipped samples

def _group(colour, shape, size, act="still", count=1, x=.5, y=.5, dx=0, dy=0,
           **kw):
    r = sum(SIZES[size]) / 2
    cell = (min(2, int(x * 3)), min(2, int(y * 3)))
    return {"count": count, "colour": colour, "shape": shape, "size": size,
            "radius": r, "act": act, "rgb": COLOURS[colour], "angle": 0,
            "cells": [cell],
            "items": [{"x": x, "y": y + .36 * k, "dx": dx, "dy": dy, "r": r,
                       "u0": 0., "u1": 1.} for k in range(count)], **kw}


def _story(bg, *groups):
    return {"type": "shapes", "aspect": 16 / 9, "bg": bg, "camera": {},
            "bg_rgb": BACKGROUNDS[bg][0], "groups": list(groups)}


def write_samples(out):
    os.makedirs(out, exist_ok=True)
    w, h, fps = 320, 180, 15
    one = [_story("black",
                  _group("red", "circle", "large", "move", x=.2, dx=.6,
                         dir="right"))]
    two = [_story("white",
                  _group("blue", "square", "small", "still", x=.18, y=.5),
                  _group("green", "star", "large", "appear", x=.8, y=.5,
                         at=.5)),
           ]
    story = one + two + [
        _story("gray",
               _group("yellow", "triangle", "small", "move", count=2, x=.8,
                      y=.3, dx=-.6, dir="left")),
        _story("black",
               _group("purple", "ring", "large", "vanish", x=.2, y=.5,
                      at=.3),
               _group("white", "cross", "small", "vanish", x=.8, y=.5,
                      at=.75))]
    for name, scenes in (("circle.mp4", one), ("square-and-star.mp4", two),
                         ("story.mp4", story)):
        frames = (f for s in scenes
                  for f in render(s, np.arange(4 * fps) / (4 * fps - 1), w, h))
        encode(frames, w, h, fps, os.path.join(out, name), "h264", 23)
        for s in scenes:
            print(name, caption(s))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--eval", metavar="OUT_DIR")
    ap.add_argument("--samples", metavar="OUT_DIR")
    ap.add_argument("--count", type=int, default=300)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--codec", choices=("h264", "vp8"), default="h264")
    a = ap.parse_args()
    if a.samples:
        write_samples(a.samples)
    elif a.eval:
        write_eval(a.eval, a.count, a.seed, a.codec)
    else:
        ap.error("--eval or --samples")


if __name__ == "__main__":
    main()
