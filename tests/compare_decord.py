#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which frames nevaframesampler and Decord choose of clips of odd shapes.

Makes the clips with ffmpeg in a temporary folder; each frame shows its number as
black and white blocks, so that it is read back from the picture. Prints a line
per clip and fails if a choice differs. Needs ffmpeg, gst-launch-1.0, numpy and
PyPI's decord:
    meson devenv -C build python3 tests/compare_decord.py [name…]
"""
import os
import subprocess
import sys
import tempfile

import decord
import numpy as np

BLOCK, BITS = 32, 8  # a white block, then bits from the lowest, then a black one
WIDTH, HEIGHT = BLOCK * (BITS + 2), 64
DRAW = (
    "geq=lum='if(lt(X,{b}),235,if(gte(X,{e}),16,if(mod(floor(N/pow(2,floor((X-{b})"
    "/{b}))),2),235,16)))':cb=128:cr=128"
).format(b=BLOCK, e=BLOCK * (BITS + 1))
X264 = "-c:v libx264 -preset veryfast "
VARIABLE = ",settb=1/1200,setpts=N*40+10*mod(N*N\\,7)"

# name: frames, filters after the numbers, ffmpeg output options, file name
CLIPS = {
    "h264 b-frames": (100, "", X264 + "-bf 3 -g 30", "a.mp4"),
    "h264 open gop": (100, "", X264 + "-bf 3 -g 20 -x264-params open-gop=1", "a.mkv"),
    "h264 open gop mp4": (100, "", X264 + "-bf 3 -g 20 -x264-params open-gop=1", "a.mp4"),
    "h264 vfr mp4": (120, VARIABLE, X264 + "-bf 2 -g 40 -vsync passthrough", "a.mp4"),
    "h264 vfr mkv": (120, VARIABLE, X264 + "-bf 2 -g 40 -vsync passthrough", "a.mkv"),
    "h264 pts from 10 s": (90, "", X264 + "-bf 3 -g 30 -output_ts_offset 10", "a.mkv"),
    "h264 no edit list": (90, "", X264 + "-bf 3 -g 30 -use_editlist 0", "a.mp4"),
    "h264 negative pts": (90, "", X264 + "-bf 3 -g 30 -output_ts_offset -0.3 -avoid_negative_ts disabled", "a.mp4"),
    "h264 ts": (100, "", X264 + "-bf 3 -g 30", "a.ts"),
    "h264 flv": (100, "", X264 + "-bf 2 -g 30", "a.flv"),
    "h264 avi": (60, "", X264 + "-bf 0 -g 30", "a.avi"),
    "h264 fragments": (100, "", X264 + "-bf 2 -g 25 -movflags frag_keyframe+empty_moov", "a.mp4"),
    "h264 interlaced": (80, "", X264 + "-bf 2 -g 30 -flags +ildct+ilme -x264-params tff=1", "a.mp4"),
    "h264 10 bit": (60, "", X264 + "-pix_fmt yuv420p10le -bf 2 -g 30", "a.mkv"),
    "h264 half a frame a second": (40, ",setpts=N*2/TB", X264 + "-bf 2 -g 10 -vsync passthrough", "a.mp4"),
    "h264 rotated": (60, "", X264 + "-bf 2 -g 30 -metadata:s:v rotate=90", "a.mov"),
    "h265": (80, "", "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=3:keyint=25", "a.mp4"),
    "h265 mkv": (80, "", "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=3:keyint=25", "a.mkv"),
    "mpeg2 ts": (90, "", "-c:v mpeg2video -q:v 3 -bf 2 -g 15", "a.ts"),
    "mpeg2 ps": (90, "", "-c:v mpeg2video -q:v 3 -bf 2 -g 15", "a.mpg"),
    "mpeg2 interlaced": (90, "", "-c:v mpeg2video -q:v 3 -bf 2 -g 15 -flags +ildct+ilme -top 1", "a.ts"),
    "mpeg2 mkv": (90, "", "-c:v mpeg2video -q:v 3 -bf 2 -g 15", "a.mkv"),
    "mpeg4 avi": (90, "", "-c:v mpeg4 -q:v 3 -bf 0 -g 30", "a.avi"),
    "mpeg4 b-frames mp4": (90, "", "-c:v mpeg4 -q:v 3 -bf 2 -g 30", "a.mp4"),
    "mpeg4 b-frames avi": (90, "", "-c:v mpeg4 -q:v 3 -bf 2 -g 30", "a.avi"),
    "mjpeg avi": (50, "", "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p", "a.avi"),
    "mjpeg mkv": (50, "", "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p", "a.mkv"),
    "vp8": (100, "", "-c:v libvpx -deadline realtime -cpu-used 8 -g 30", "a.webm"),
    "vp8 altref": (100, "", "-c:v libvpx -auto-alt-ref 1 -lag-in-frames 16 -cpu-used 5 -g 40", "a.webm"),
    "vp9": (60, "", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 30", "a.webm"),
    "vp9 altref": (60, "", "-c:v libvpx-vp9 -auto-alt-ref 1 -lag-in-frames 16 -cpu-used 8 -g 40", "a.mkv"),
    "av1 mkv": (40, "", "-c:v libaom-av1 -cpu-used 8 -g 20", "a.mkv"),
    "theora": (60, "", "-c:v libtheora -q:v 7 -g 20", "a.ogv"),
}
for n in (1, 2, 3, 5, 7, 8, 9):
    CLIPS["%d frames" % n] = (n, "", X264 + "-bf 2 -g 30", "a.mp4")

# Where Decord is no yardstick: first and last frame of what there is to choose
# from. In MPEG-TS it loses the first group of pictures; an edit list makes it
# count packets that it does not show; and what demuxers of GStreamer hide (frames
# behind the duration of the file, here) does not exist for nevaframesampler.
KNOWN = {
    "h264 ts": (0, 99),
    "mpeg2 ts": (0, 89),
    "mpeg2 interlaced": (0, 89),
    "h264 no edit list": (0, 87),
    "h264 negative pts": (9, 89),
    "h264 cut by an edit list": (42, 94),
}


def make(name, folder):
    frames, filters, options, target = CLIPS[name]
    path = os.path.join(folder, name.replace(" ", "-") + "-" + target)
    source = "color=black:size=%dx%d:rate=30,%s%s" % (WIDTH, HEIGHT, DRAW, filters)
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source]
    command += ["-frames:v", str(frames)]
    if "-pix_fmt" not in options:
        command += ["-pix_fmt", "yuv420p"]
    done = subprocess.run(command + options.split() + [path], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip().split("\n")[-1]
    return path, None


def cut(path, folder):
    """A copy that begins between two key frames: an edit list hides the rest."""
    target = os.path.join(folder, "cut.mp4")
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-ss", "1.4", "-i", path, "-c", "copy", target], check=True)
    return target


def number(gray):
    if gray.shape[0] > gray.shape[1]:
        gray = np.rot90(gray)
    row = gray[gray.shape[0] // 2]
    blocks = [int(row[BLOCK * i + BLOCK // 4 : BLOCK * (i + 1) - BLOCK // 4].mean() > 128) for i in range(BITS + 2)]
    if not blocks[0]:
        blocks.reverse()
    return sum(bit << i for i, bit in enumerate(blocks[1 : BITS + 1]))


def by_decord(path, n):
    """Read in order: Decord's seeks land elsewhere in some containers."""
    reader = decord.VideoReader(path, num_threads=1)
    indices = np.linspace(0, len(reader) - 1, n, dtype=int)
    frames = [number(reader.next().asnumpy()[:, :, 1]) for _ in range(len(reader))]
    return [frames[i] for i in indices]


def by_sampler(path, n, seek):
    line = ["gst-launch-1.0", "-q", "filesrc", "location=" + path, "!", "decodebin", "!"]
    line += ["nevaframesampler", "num-frames=%d" % n, "seek=" + seek, "!", "videoconvert", "!"]
    line += ["video/x-raw,format=GRAY8", "!", "fdsink", "fd=3"]
    read, write = os.pipe()
    run = subprocess.Popen(
        ["bash", "-c", 'exec 3>&%d; "$@"' % write, "x"] + line,
        pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        data = np.frombuffer(stream.read(), np.uint8)
    errors = run.communicate(timeout=60)[1]
    size = WIDTH * HEIGHT
    got = [number(data[i : i + size].reshape(HEIGHT, WIDTH)) for i in range(0, len(data) - size + 1, size)]
    return got, errors.strip()


def main():
    if subprocess.run(["gst-inspect-1.0", "nevaframesampler"], capture_output=True).returncode:
        print("SKIP: GStreamer does not find nevaframesampler")
        return 77
    names = sys.argv[1:] or list(CLIPS) + ["h264 cut by an edit list"]
    bad = checked = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if name in CLIPS:
                path, problem = make(name, folder)
            else:
                path, problem = cut(make("h264 b-frames", folder)[0], folder), None
            if problem:
                print("SKIP %s: %s" % (name, problem))
                continue
            try:
                want = by_decord(path, 8)
            except Exception as error:  # decord raises its own class
                print("SKIP %s: Decord: %s" % (name, str(error).split("\n")[0][:80]))
                continue
            if name in KNOWN:
                first, last = KNOWN[name]
                want = [first + int(i) for i in np.linspace(0, last - first, 8, dtype=int)]
            want = sorted(set(want), key=want.index)  # repeats are one frame
            for seek in ("auto", "never"):
                got, errors = by_sampler(path, 8, seek)
                same = got == want
                checked += 1
                bad += not same
                print("%s %s (seek=%s): %s" % ("ok  " if same else "FAIL", name, seek, got))
                if not same:
                    print("     expected: %s %s" % (want, errors[:200]))
    print("%d choices, %d differ" % (checked, bad))
    return 77 if not checked else int(bad > 0)


sys.exit(main())
