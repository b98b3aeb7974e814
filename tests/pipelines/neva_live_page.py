#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page of neva-live in a headless Chromium: captions appear, grow, change,
and come again after the server was away; alerts; keyboard; contrast in both
themes; a telephone's width; nothing from outside.
usage: neva_live_page.py NEVA-LIVE [FOLDER for pictures of the page]"""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import chromium  # noqa: E402

checks = failures = 0

# The lowest contrast of any text that can be seen with what it stands on, and
# that text. Pictures and what lies over them are left out: its own dark ground
# is not a colour of the page.
CONTRAST = """(() => {
  const numbers = (c) => (c.match (/[\\d.]+/g) || []).map (Number);
  const light = (c) => {
    const [r, g, b] = c.slice (0, 3).map ((v) => {
      v /= 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const c = numbers (getComputedStyle (node).backgroundColor);
      if (c.length === 3 || c[3] === 1)
        return c;
    }
    return [255, 255, 255];
  };
  let least = 99, where = "";
  const walker = document.createTreeWalker (document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode ()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim () || !node.checkVisibility () ||
        node.closest (".picture, .spoken, .skip, noscript"))
      continue;
    const a = light (numbers (getComputedStyle (node).color));
    const b = light (ground (node));
    const ratio = (Math.max (a, b) + 0.05) / (Math.min (a, b) + 0.05);
    if (ratio < least) {
      least = ratio;
      where = walker.currentNode.data.trim ();
    }
  }
  return [least, where];
}) ()"""
NAMELESS = """[...document.querySelectorAll (
  "button, a, meter, input, svg[role=img], img")].filter ((n) =>
  !n.closest ("template") && !(n.getAttribute ("aria-label") ||
  n.textContent.trim () || n.hasAttribute ("alt"))).map ((n) => n.outerHTML)"""
OUTSIDE = """performance.getEntriesByType ("resource").map ((e) => e.name)
  .filter ((n) => !n.startsWith (location.origin) && !n.startsWith ("blob:"))"""
# What was said is seen whole, however long its words are.
CUT_OFF = """[...document.querySelectorAll (".caption, .history, .history *")]
  .filter ((n) => n.scrollWidth > n.clientWidth + 1 && n.clientWidth)
  .map ((n) => n.textContent)"""
CAPTION = "document.querySelector ('.caption:not(.empty)')?.textContent"


def check(condition, what):
    global checks, failures
    checks += 1
    if not condition:
        failures += 1
        print(f"FAIL: {what}")


class Live:
    def __init__(self, program, *arguments, port=0):
        self.process = subprocess.Popen(
            [program, f"--http={port}", *arguments], stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            if "page: " in line:
                self.url = line.split("page: ")[1].strip()
                break
        else:
            raise RuntimeError("no page")
        self.port = self.url.split(":")[2].split("/")[0]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.stderr.read()
        return self.process.wait(30)


# The prompt names the clip, and the model repeats it: each caption is another.
STREAMS = ("door=test://ball?width=320&height=180", "test://smpte",
           "-m", "fake:echo?delay=500&yes=80", "-w", "2s",
           "-p", "This is clip {clip} of the stream", "-a", "Is it on fire?")


def check_captions(page):
    first = page.wait(CAPTION)
    check(first and first.startswith("prompt="), f"a caption appears: {first}")
    check(page.wait("document.querySelector ('.caption.partial')"),
          "it is seen while it is written")
    check(page.wait("document.querySelector ('.spoken').textContent"),
          "it is spoken when it is whole")
    check(page.value("document.querySelector ('.spoken').ariaLive") == "polite",
          "aria-live")
    check(page.wait(f"{CAPTION} !== {first!r} && {CAPTION}"), "it changes")
    check(page.wait("document.querySelectorAll ('.history li').length > 1"),
          "earlier ones are kept")


def check_parts(page):
    check(page.wait("[...document.querySelectorAll ('.picture img')].every ("
                    "(i) => i.naturalWidth > 0 && !i.hidden)"), "pictures")
    number = page.value("document.querySelector ('.picture img').src")
    check(page.wait(f"document.querySelector ('.picture img').src !== '{number}'"),
          "the picture moves")
    check(page.wait("document.querySelector ('#alerts .rise')"), "an alert")
    check(page.wait("document.title.startsWith ('(2)')"), "alerts in the title")
    check(page.wait("document.querySelectorAll ('.plot .trace').length >= 4"),
          "plots")
    check(page.wait("document.querySelector ('#plot-latency svg').ariaLabel"
                    ".includes ('door 0.')"), "plots in words")
    check(page.value(NAMELESS) == [], f"nameless: {page.value(NAMELESS)}")
    check(page.value(OUTSIDE) == [], f"from outside: {page.value(OUTSIDE)}")


def check_looks(page, folder):
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        least, where = page.value(CONTRAST)
        check(least >= 4.5, f"{scheme}: contrast {least:.2f}: {where}")
        for name, width, height in (("desk", 1440, 960), ("phone", 360, 780)):
            page.size(width, height, name == "phone")
            check(page.value("document.documentElement.scrollWidth <= "
                             "innerWidth"), f"{name}: no scrolling sideways")
            check(page.value(CUT_OFF) == [], f"{name}: {page.value(CUT_OFF)}")
            if folder:
                page.picture(os.path.join(folder, f"{scheme}-{name}.png"))
    page.size(1440, 960)


def check_keyboard(page):
    page.value("document.querySelector ('.skip').focus ()")
    for _ in range(12):
        page.press("Tab", 9)
        if page.value("document.activeElement.className") == "enlarge":
            break
    check(page.value("document.activeElement.className") == "enlarge",
          "Tab comes to the streams")
    page.value("document.activeElement.click ()")
    check(page.wait("document.querySelectorAll ('.stream.big').length === 1 && "
                    "!document.querySelector ('.stream:not(.big)')"
                    ".checkVisibility ()"), "one is large")
    page.press("Escape", 27)
    check(page.wait("!document.querySelector ('.stream.big')"), "Escape")
    page.value("document.querySelector ('#theme').click ()")
    check(page.value("document.documentElement.dataset.theme") == "light",
          "a theme is chosen")


def check_restart(page, live, program):
    check(live.stop() == 130, "Ctrl-C")
    check(page.wait("document.querySelector ('#link').dataset.state === 'wait'"),
          "the page says that the server is away")
    check("clip" in (page.value(CAPTION) or ""), "what was said stays")
    page.value("document.querySelector ('.caption').textContent = 'before'")
    live = Live(program, *STREAMS, port=live.port)
    check(page.wait("document.querySelector ('#link').dataset.state === 'on'"),
          "it comes back by itself")
    check(page.wait(f"({CAPTION} ?? '').includes ('clip')"),
          "captions come again")
    check(live.stop() == 130, "Ctrl-C")


def check_door(page, program):
    live = Live(program, *STREAMS, "--listen=0.0.0.0")
    token = live.url.split("token=")[1]
    home = f"http://127.0.0.1:{live.port}/"
    page.go(home)
    check(page.wait("document.querySelector ('#token')"), "a token is asked for")
    least, where = page.value(CONTRAST)
    check(least >= 4.5, f"contrast {least:.2f}: {where}")
    page.value(f"document.querySelector ('#token').value = '{token}';"
               "document.querySelector ('form').requestSubmit ()")
    check(page.wait(CAPTION), "the token lets in")
    check(page.value("location.href") == home, "and leaves the address")
    live.stop()


def main():
    if not chromium.find():
        print("SKIP: no chromium here")
        return 77
    program = sys.argv[1]
    folder = sys.argv[2] if len(sys.argv) > 2 else None
    live = Live(program, *STREAMS)
    page = chromium.Page()
    try:
        page.size(1440, 960)
        page.go(live.url)
        check_captions(page)
        check_parts(page)
        check_looks(page, folder)
        check_keyboard(page)
        check_restart(page, live, program)
        check_door(page, program)
        check(page.errors == [], f"errors of the page: {page.errors}")
    finally:
        page.close()
        if live.process.poll() is None:
            live.process.kill()
    print(f"{checks} checks, {failures} failed")
    return 1 if failures or not checks else 0


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    print(f"{time.monotonic() - started:.0f} s")
    sys.exit(code)
