// SPDX-License-Identifier: LGPL-2.1-or-later
// The page follows /events: first the state of everything, then what changes.
// Pictures are fetched one by one, so that many streams need few connections.

import {Plot, colour, dashes} from "./plot.js";

const HISTORY = 20, ALERTS = 50;
const $ = (id) => document.getElementById (id);
const sleep = (ms) => new Promise ((done) => setTimeout (done, ms));

let streams = [], began = 0, picture_ms = 100;
const plots = {
  latency: new Plot ($ ("plot-latency"), {title: "Latency", least: 0.5,
    show: (v) => `${v.toFixed (1)} s`}),
  cpu: new Plot ($ ("plot-cpu"), {title: "Processor", least: 100, most: 100,
    show: (v) => `${v.toFixed (0)} %`}),
  tokens: new Plot ($ ("plot-tokens"), {title: "Tokens a second", least: 10,
    show: (v) => v.toFixed (0)}),
};

// ---- Words -----------------------------------------------------------------

const clock = (ms) => new Date (ms).toLocaleTimeString ([], {hour12: false});

function time_element (ms) {
  const time = document.createElement ("time");
  time.dateTime = new Date (ms).toISOString ();
  time.textContent = clock (ms);
  return time;
}

function text_element (name, text, class_name) {
  const node = document.createElement (name);
  node.textContent = text;
  if (class_name)
    node.className = class_name;
  return node;
}

const seconds = (v) => (v === null ? "–" : `${v.toFixed (1)} s`);
const memory = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed (2)} GB`
  : `${(bytes / 1e6).toFixed (0)} MB`);

function duration (ms) {
  const s = Math.max (0, Math.floor (ms / 1000));
  const two = (n) => String (n).padStart (2, "0");
  return `${Math.floor (s / 3600)}:${two (Math.floor (s / 60) % 60)}:${two (s % 60)}`;
}

// ---- A stream --------------------------------------------------------------

class Stream {
  constructor (state) {
    const card = $ ("stream").content.firstElementChild.cloneNode (true);
    const find = (selector) => card.querySelector (selector);
    this.id = state.id;
    this.name = state.name;
    this.card = card;
    this.image = find ("img");
    this.caption = find (".caption");
    this.spoken = find (".spoken");
    this.history = find (".history");
    this.message = find (".message");
    this.state = find (".state");
    this.numbers = find (".numbers");
    this.questions = find (".questions");
    this.enlarge = find (".enlarge");
    this.picture = 0;
    this.visible = true;
    this.gone = false;
    const title = find ("h2");
    title.textContent = state.name;
    title.id = `name-${state.id}`;
    card.setAttribute ("aria-labelledby", title.id);
    find (".uri").textContent = state.uri;
    find (".uri").title = state.uri;
    this.image.alt = `Picture of ${state.name}`;
    this.enlarge.setAttribute ("aria-label", `Enlarge ${state.name}`);
    this.enlarge.addEventListener ("click", () => enlarge (
      this.card.classList.contains ("big") ? null : this));
    this.set_questions (state.alerts);
    this.set_state (state);
    for (const said of state.history)
      if (said.number !== state.now?.number)
        this.remember (said);
    if (state.now)
      this.say (state.now, true);
    else
      this.show_caption ("", false);
    this.set_numbers (state);
  }

  set_state ({state, message}) {
    this.card.dataset.state = state;
    this.state.textContent = state;
    this.message.hidden = !message;
    this.message.textContent = message ?? "";
  }

  show_caption (text, partial) {
    this.caption.textContent = text || "Waiting for the first caption";
    this.caption.classList.toggle ("empty", !text);
    this.caption.classList.toggle ("partial", partial);
  }

  // old: it was said before this page came
  say (said, old) {
    if (this.now && this.now.number !== said.number && this.now.final)
      this.remember (this.now);
    this.now = said;
    if (said.text || said.final === false)
      this.show_caption (said.text, !said.final);
    if (said.final && !old && announces ())
      this.spoken.textContent = `${this.name}: ${said.text}`;
  }

  remember (said) {
    const item = document.createElement ("li");
    if (!said.text)
      return;
    item.append (time_element (said.at), text_element ("span", said.text));
    this.history.prepend (item);
    while (this.history.childElementCount > HISTORY)
      this.history.lastElementChild.remove ();
  }

  set_numbers ({fps, latency, captions, dropped}) {
    const link = (name, href) => {
      const a = text_element ("a", name);
      a.href = href;
      return a;
    };
    this.fps ??= this.numbers.appendChild (text_element ("span", ""));
    if (this.numbers.childElementCount === 1)
      this.numbers.append (
        link ("WebVTT", `streams/${this.id}/captions.vtt`),
        link ("Video", `streams/${this.id}/video.mjpg`));
    this.fps.textContent = `${fps.toFixed (0)} fps · latency ${seconds (latency)}` +
      ` · ${captions} caption${captions === 1 ? "" : "s"} · ${dropped} dropped`;
  }

  set_questions (alerts) {
    this.questions.hidden = alerts.length === 0;
    this.alerts = alerts.map (({question, probability, active}) => {
      const item = document.createElement ("li");
      const percent = text_element ("span", "");
      const meter = document.createElement ("meter");
      meter.setAttribute ("aria-label", `Probability of yes: ${question}`);
      item.append (text_element ("span", question, "question"), percent, meter);
      this.questions.append (item);
      const alert = {item, percent, meter};
      this.set_alert (alert, probability, active);
      return alert;
    });
    this.mark ();
  }

  set_alert ({item, percent, meter}, probability, active) {
    meter.value = probability ?? 0;
    percent.textContent = probability === null ? "–"
      : `${(probability * 100).toFixed (0)} %`;
    if (active !== undefined)
      item.dataset.active = active;
  }

  mark () {
    this.card.dataset.alert =
      this.alerts.some ((a) => a.item.dataset.active === "true");
  }

  // Until the card is gone; only what can be seen is fetched.
  async follow_pictures () {
    while (!this.gone) {
      const began = performance.now ();
      if (this.visible && !document.hidden)
        await this.fetch_picture ();
      await sleep (Math.max (picture_ms - (performance.now () - began), 10));
    }
  }

  async fetch_picture () {
    try {
      const answer = await fetch (
        `streams/${this.id}/picture.jpg?after=${this.picture}`);
      if (answer.status === 204)
        return;
      if (!answer.ok)
        throw new Error (answer.status);
      const url = URL.createObjectURL (await answer.blob ());
      const before = this.image.src;
      this.image.src = url;
      await this.image.decode ();
      this.image.hidden = false;
      this.picture = answer.headers.get ("X-Picture");
      if (before.startsWith ("blob:"))
        URL.revokeObjectURL (before);
    } catch {
      this.picture = 0;
      await sleep (1000);
    }
  }
}

// ---- One of them large -----------------------------------------------------

function enlarge (stream) {
  $ ("streams").classList.toggle ("one", stream !== null);
  for (const s of streams) {
    s.card.classList.toggle ("big", s === stream);
    s.enlarge.setAttribute ("aria-pressed", s === stream);
    s.enlarge.textContent = s === stream ? "Show all" : "Enlarge";
  }
  stream?.enlarge.focus ();
}

document.addEventListener ("keydown", (event) => {
  const big = streams.find ((s) => s.card.classList.contains ("big"));
  if (event.key === "Escape" && big) {
    enlarge (null);
    big.enlarge.focus ();
  }
});

const watcher = new IntersectionObserver ((entries) => {
  for (const entry of entries) {
    const stream = streams.find ((s) => s.card === entry.target);
    if (stream)
      stream.visible = entry.isIntersecting;
  }
});

// ---- Alerts ----------------------------------------------------------------

function log_alert ({stream, question, active, at}) {
  const item = document.createElement ("li");
  item.className = active ? "rise" : "fall";
  const name = streams[stream - 1]?.name ?? `stream ${stream}`;
  const small = text_element ("small", `${name} · `);
  small.append (time_element (at));
  item.append (text_element ("span",
    `${active ? "⚠ " : "Over: "}${question}`, "what"), small);
  $ ("alerts").prepend (item);
  while ($ ("alerts").childElementCount > ALERTS)
    $ ("alerts").lastElementChild.remove ();
  $ ("no-alerts").hidden = true;
  count_alerts ();
}

function count_alerts () {
  const n = streams.filter ((s) => s.card.dataset.alert === "true").length;
  document.title = n ? `(${n}) NeVA Live` : "NeVA Live";
}

// ---- Load ------------------------------------------------------------------

function set_legend () {
  $ ("legend").replaceChildren (...streams.map ((s, i) => {
    const item = document.createElement ("li");
    item.innerHTML = '<svg viewBox="0 0 20 8" aria-hidden="true">' +
      `<path d="M0 4H20" stroke="${colour (i)}" stroke-width="3" ` +
      `stroke-dasharray="${dashes (i)}"/></svg>`;
    item.append (s.name);
    return item;
  }));
}

function show_load (load) {
  $ ("memory").textContent = memory (load.memory);
  $ ("running").textContent = load.running;
  $ ("waiting").textContent = load.waiting;
  $ ("uptime").textContent = duration (Date.now () - began);
}

// ---- Events ----------------------------------------------------------------

function on_state (state) {
  const big = streams.findIndex ((s) => s.card.classList.contains ("big"));
  for (const s of streams) {
    s.gone = true;
    watcher.unobserve (s.card);
  }
  began = state.began;
  picture_ms = 1000 / state.picture_rate;
  $ ("model").textContent = `model ${state.model} · a caption every ${state.window} s`;
  streams = state.streams.map ((s) => new Stream (s));
  $ ("streams").replaceChildren (...streams.map ((s) => s.card));
  $ ("streams").classList.remove ("one");
  $ ("alerts").replaceChildren ();
  $ ("alert-panel").hidden = !state.streams.some ((s) => s.alerts.length);
  $ ("no-alerts").hidden = false;
  state.alerts.forEach (log_alert);
  for (const s of streams) {
    watcher.observe (s.card);
    s.follow_pictures ();
  }
  if (big >= 0 && streams[big])
    enlarge (streams[big]);
  plots.latency.set (state.streams.map ((s) => (
    {name: s.name, values: s.latencies})));
  plots.cpu.set ([{name: "", values: state.load.cpus.map ((v) => v * 100)}]);
  plots.tokens.set ([{name: "", values: state.load.rates}]);
  set_legend ();
  show_load (state.load);
  count_alerts ();
}

function on_caption (said) {
  streams[said.stream - 1]?.say (said, false);
}

function on_stream (change) {
  streams[change.stream - 1]?.set_state (change);
}

function on_alert (change) {
  const stream = streams[change.stream - 1];
  if (!stream)
    return;
  stream.set_alert (stream.alerts[change.alert], change.probability,
    change.active);
  stream.mark ();
  log_alert (change);
}

function on_load (load) {
  load.streams.forEach ((rates, i) => {
    const stream = streams[i];
    stream?.set_numbers (rates);
    rates.probabilities.forEach ((p, k) =>
      stream?.set_alert (stream.alerts[k], p));
  });
  plots.latency.add (load.streams.map ((s) => s.latency));
  plots.cpu.add ([load.cpu * 100]);
  plots.tokens.add ([load.tokens]);
  show_load (load);
}

const handlers = {state: on_state, caption: on_caption, stream: on_stream,
  alert: on_alert, load: on_load};

function set_link (state, text) {
  $ ("link").dataset.state = state;
  if ($ ("link").textContent !== text)
    $ ("link").textContent = text;
}

// The browser comes back by itself where the connection broke, but not where
// something else answered for a while.
function connect () {
  const source = new EventSource ("events");
  source.onopen = () => set_link ("on", "connected");
  source.onerror = () => {
    set_link ("wait", "connection lost, trying again");
    if (source.readyState === EventSource.CLOSED) {
      source.close ();
      setTimeout (connect, 2000);
    }
  };
  for (const name in handlers)
    source.addEventListener (name,
      (event) => handlers[name] (JSON.parse (event.data)));
}

// ---- Settings --------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];
const stored = (key) => {
  try {
    return localStorage.getItem (key);
  } catch {
    return null;
  }
};
const store = (key, value) => {
  try {
    localStorage.setItem (key, value);
  } catch {
    // without storage the choice lasts as long as the page
  }
};

function set_theme (theme) {
  if (theme === "auto")
    delete document.documentElement.dataset.theme;
  else
    document.documentElement.dataset.theme = theme;
  $ ("theme").textContent = `Theme: ${theme}`;
  $ ("theme").dataset.theme = theme;
}

const announces = () => $ ("announce").getAttribute ("aria-pressed") === "true";

$ ("theme").addEventListener ("click", () => {
  const next = (THEMES.indexOf ($ ("theme").dataset.theme) + 1) % THEMES.length;
  set_theme (THEMES[next]);
  store ("theme", THEMES[next]);
});
$ ("announce").addEventListener ("click", () => {
  $ ("announce").setAttribute ("aria-pressed", !announces ());
  store ("announce", announces ());
});
$ ("announce").setAttribute ("aria-pressed", stored ("announce") !== "false");
set_theme (THEMES.includes (stored ("theme")) ? stored ("theme") : "auto");
connect ();
