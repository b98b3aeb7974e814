# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws the clips that the demo model learns from, and asks about them.

    seed -> scene                            make_scene(), world.py
         -> frames at any size and time      render()
         -> caption, questions and answers   words.py

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

from words import *
from world import *


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
                x, y = where(it, u)
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
            asks = questions(scene, rng) + [
                x for x in lookups(scene, rng) if x[0] == "yes or no"]
            f.write(json.dumps({
                "video": name, "width": w, "height": h, "fps": fps,
                "frames": total, "caption": caption(scene),
                "questions": [{"attribute": a, "question": q, "answer": t}
                              for a, q, t in asks],
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
