// SPDX-License-Identifier: LGPL-2.1-or-later
// A plot of the last two minutes: lines over seconds, the newest at the right.

const SECONDS = 120, WIDTH = 240, HEIGHT = 88, LEFT = 2, TOP = 8, BOTTOM = 84;
const SVG = "http://www.w3.org/2000/svg";

// Of 3:1 at least with the panel of either theme; dashes tell lines apart
// without colour.
const COLOURS = ["#0a7f74", "#c2570c", "#5b6ee1", "#b0368f", "#8a6d00",
  "#2f80c2", "#7a8a2a", "#a0522d"];
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

export const colour = (i) => COLOURS[i % COLOURS.length];
export const dashes = (i) => DASHES[Math.floor(i / 1) % DASHES.length];

function make (name, attributes, parent) {
  const node = document.createElementNS (SVG, name);
  for (const key in attributes)
    node.setAttribute (key, attributes[key]);
  parent.append (node);
  return node;
}

// 1, 2 or 5 times a power of ten, at least `value`
function round_up (value) {
  const power = 10 ** Math.floor (Math.log10 (value));
  return [1, 2, 5, 10].map ((m) => m * power).find ((v) => v >= value);
}

function path_of (values, top) {
  const step = (WIDTH - LEFT) / (SECONDS - 1);
  const first = SECONDS - values.length;
  let path = "", pen = false;
  values.forEach ((v, i) => {
    if (v === null) {
      pen = false;
      return;
    }
    const x = LEFT + (first + i) * step;
    const y = BOTTOM - Math.min (v / top, 1) * (BOTTOM - TOP);
    path += `${pen ? "L" : "M"}${x.toFixed (1)} ${y.toFixed (1)}`;
    pen = true;
  });
  return path;
}

export class Plot {
  // options: title, least (the scale's end at least), most (at most, or
  // absent), show (a value as text)
  constructor (figure, options) {
    this.options = options;
    this.lines = [];
    const caption = document.createElement ("figcaption");
    const title = document.createElement ("span");
    this.value = document.createElement ("span");
    this.value.className = "value";
    title.textContent = options.title;
    caption.append (title, this.value);
    figure.append (caption);
    this.svg = make ("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
      preserveAspectRatio: "none"}, figure);
    for (const y of [TOP, (TOP + BOTTOM) / 2, BOTTOM])
      make ("line", {x1: 0, x2: WIDTH, y1: y, y2: y, class: "grid"}, this.svg);
    this.scale = document.createElement ("small");
    this.scale.className = "empty";
    figure.append (this.scale);
  }

  // lines: [{name, values}], values: numbers or null, one a second
  set (lines) {
    this.lines = lines.map ((l) => ({name: l.name,
      values: l.values.slice (-SECONDS)}));
    this.draw ();
  }

  add (values) {
    this.lines.forEach ((line, i) => {
      line.values.push (values[i] ?? null);
      if (line.values.length > SECONDS)
        line.values.shift ();
    });
    this.draw ();
  }

  draw () {
    const {least, most, show, title} = this.options;
    const all = this.lines.flatMap ((l) => l.values).filter ((v) => v !== null);
    const highest = Math.max (least, ...all);
    const top = Math.min (round_up (highest), most ?? Infinity);
    const now = this.lines.map ((l) => l.values.at (-1) ?? null);
    const known = now.filter ((v) => v !== null);

    this.svg.querySelectorAll ("path").forEach ((n) => n.remove ());
    this.lines.forEach ((line, i) => {
      const d = path_of (line.values, top);
      if (this.lines.length === 1 && d && !line.values.includes (null))
        make ("path", {d: `${d}V${BOTTOM}H${d.slice (1).split (" ")[0]}Z`,
          class: "area", fill: colour (i)}, this.svg);
      make ("path", {d, class: "trace", stroke: colour (i),
        "stroke-dasharray": dashes (i)}, this.svg);
    });
    this.value.textContent = known.length ? show (Math.max (...known)) : "–";
    this.scale.textContent = `0 to ${show (top)}, last 2 minutes`;
    this.svg.setAttribute ("aria-label", `${title} now: ` +
      (this.lines.map ((l, i) => `${l.name ? l.name + " " : ""}` +
        (now[i] === null ? "unknown" : show (now[i]))).join (", ") || "unknown"));
  }
}
