# SPDX-License-Identifier: LGPL-2.1-or-later
"""What there is in the clips that the demo model learns from, and how a scene
of it is put together: seed -> scene (a dict: background, groups of shapes,
camera).

A scene is at most three groups and at most four shapes. The shapes of one
group share colour, shape, size and behaviour. A group stays, moves, appears
or vanishes. Times are fractions of the clip, positions fractions of the
frame. Everything that the labels say is decided before anything is drawn.
"""

import numpy as np

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
    "smpte100": ("pattern=smpte100",
                 "The SMPTE 100% colour bars test pattern."),
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
            if all(apart(item, o, aspect) for o in others + items):
                items.append(item)
                cells.append(cell)
                break
        else:
            return False
    group["items"], group["cells"] = items, cells
    return True


def where(item, u):
    s = min(max((u - item["u0"]) / max(item["u1"] - item["u0"], 1e-6), 0.), 1.)
    return item["x"] + item["dx"] * s, item["y"] + item["dy"] * s


def apart(a, b, aspect):
    near = (a["r"] + b["r"]) * 1.12
    for k in range(15):
        (ax, ay), (bx, by) = where(a, k / 14), where(b, k / 14)
        if ((ax - bx) * aspect) ** 2 + (ay - by) ** 2 < near * near:
            return False
    return True


def visible(group, u):
    return not (group["act"] == "appear" and u < group["at"]
                or group["act"] == "vanish" and u >= group["at"])


PARTITIONS = {1: [(1,)], 2: [(1, 1), (1, 1), (2,)],
              3: [(1, 1, 1), (2, 1), (1, 2), (3,)],
              4: [(1, 1, 2), (2, 1, 1), (2, 2), (1, 3), (3, 1), (4,)]}


def make_scene(rng, aspect=None, kind=None, camera=True,
               totals=(1, 1, 2, 2, 3, 3, 4)):
    """A scene of shapes, as many as one of `totals`. rng is a
    random.Random."""
    aspect = aspect or rng.choice((4 / 3, 4 / 3, 16 / 9, 16 / 9, 1.0))
    kind = kind or rng.choices(("still", "move", "event"), (22, 43, 35))[0]
    while True:
        bg = rng.choice(list(BACKGROUNDS)[:3] * 2 + list(BACKGROUNDS)[3:])
        total = rng.choice(totals)
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
