// The explorer: one state, changed by what a reader does, drawn once for each frame of the screen.

import { packetsOfKernel, packetsOfPage } from "./packets.js";
import { placeOn } from "./similarity.js";
import { FIRST, WITHOUT_PLACES, clamp, fromLink, settle, short, toLink, viewOf } from "./view.js";
import { inside, outline, paintCurve, paintFace, paintMatrix, paintScale, paintSounds } from "./paint.js";
import { build, fillList, setRange } from "./controls.js";
import { Player } from "./sound.js";
import { saveNumbers, savePicture } from "./export.js";

const KEPT_PACKETS = 60;
const SLOW_MILLISECONDS = 200; // after which a reader is told to wait
const LEVELS = [1, 2, 0, 3]; // in the order in which they are wished for
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const NOTES = { chosen: "chosen place", within: "within this face", matched: "● same moment", mismatched: "■ other moment" };
const DARK = matchMedia("(prefers-color-scheme: dark)");

class Explorer {
  // `choices`: pairs that a page holds; beside a notebook's view, ipywidgets choose them.
  constructor(root, packets, choices) {
    Object.assign(this, { root, packets, choices, state: { ...FIRST }, kept: new Map(), drawn: 0, asked: 0 });
    root.classList.add("spfem-explorer");
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's keys are not meant here
    root.explorer = this;
    this.schedule = this.schedule.bind(this);
    this.player = new Player((frame) => this.hear(frame), this.schedule);
    this.watches = [new ResizeObserver(() => requestAnimationFrame(this.schedule)), new MutationObserver(this.schedule)];
    this.watches[0].observe(root);
    this.watches[1].observe(document.body, { attributes: true }); // JupyterLab's theme
    DARK.addEventListener("change", this.schedule);
  }

  close() {
    this.player.stop();
    this.watches.forEach((watch) => watch.disconnect());
    DARK.removeEventListener("change", this.schedule);
  }

  get link() { return toLink(this.choice, this.state); }

  get name() {
    const { row, column } = this.view.place ?? { row: 0, column: 0 }, { metric, level, frame } = this.state;
    return `explorer_${this.choice.join("_")}_${metric}_level${level}_frame${frame}_row${row}_column${column}`.replace(/[^\w.+-]+/g, "-");
  }

  fetch(...ask) {
    const key = ask.join("|");
    if (!this.kept.has(key)) {
      this.kept.set(key, this.packets.fetch(ask));
      this.kept.get(key).catch(() => this.kept.delete(key));
      if (this.kept.size > KEPT_PACKETS) this.kept.delete(this.kept.keys().next().value);
    }
    return this.kept.get(key);
  }

  // Whether a metric's level is there for both clips.
  has(choice, metric, level) {
    if (metric === WITHOUT_PLACES) return this.packets.has(["distances", ...choice]);
    return choice.slice(3).every((emotion) => this.packets.has(["places", ...choice.slice(0, 3), emotion, metric, level]));
  }

  async fetchClip(...clip) {
    const packet = await this.fetch("clip", ...clip);
    packet.strip ??= await createImageBitmap(new Blob([packet.faces], { type: "image/jpeg" }));
    packet.outline ??= outline(packet.sound);
    return packet;
  }

  // Fetch what a choice of clips and a state need, then show it; a failure is told and changes nothing.
  async show(choice, wanted = this.state) {
    const turn = ++this.asked, [source, actor, sentence, ...emotions] = choice, state = { ...wanted };
    const waiting = setTimeout(() => this.tell("Waiting for the kernel …"), SLOW_MILLISECONDS);
    const both = (act) => Promise.all(emotions.map((emotion) => act(source, actor, sentence, emotion)));
    try {
      const found = { pair: await this.fetch("pair", ...choice) }, { metrics } = found.pair;
      found.clips = await both((...clip) => this.fetchClip(...clip));
      const has = (metric, level) => metric in metrics && this.has(choice, metric, level);
      const some = (metric) => LEVELS.some((level) => has(metric, level));
      state.metric = [state.metric, FIRST.metric, ...Object.keys(metrics)].find(some) ?? FIRST.metric;
      if (state.compare === WITHOUT_PLACES || !some(state.compare)) state.compare = "";
      const suits = (level) => has(state.metric, level) && (!state.compare || has(state.compare, level));
      state.level = [state.level, ...LEVELS].find(suits) ?? state.level; // a page need not have all
      const sides = (metric) => both((...clip) => this.fetch("places", ...clip, metric, state.level));
      if (state.metric === WITHOUT_PLACES) {
        found.distances = await this.fetch("distances", ...choice);
      } else {
        found.sides = await sides(state.metric);
        if (state.compare) found.compared = await sides(state.compare);
        state.level = found.sides[0].level;
      }
      if (turn !== this.asked) return;
      settle(state, found.pair, found.clips);
      if (choice !== this.choice) this.player.stop();
      Object.assign(this, { choice, state, found });
      if (!this.parts) this.open();
      this.tell("");
    } catch (error) {
      if (turn === this.asked) this.tell(error.message, true);
    } finally {
      clearTimeout(waiting);
    }
    if (turn === this.asked) this.turn = turn;
    if (turn !== this.asked || !this.parts) return;
    this.fillLists();
    this.schedule();
  }

  tell(words, wrong = false) {
    const alert = this.parts?.alert ?? this.root.appendChild(this.root.querySelector(".alert") ?? document.createElement("p"));
    Object.assign(alert, { textContent: words, hidden: !words, role: "alert", className: wrong ? "alert wrong" : "alert" });
  }

  open() {
    const parts = this.parts = build(this.root, (name, value) => this.act(name, value)), { panels } = parts;
    parts.controls.clips.parentElement.hidden = !this.choices;
    const pointed = (name, choose) => {
      const canvas = panels[name], at = (event) => {
        const { left, top, width, height } = /matri|curve|sounds/.test(name) ? inside(canvas)
          : { left: 0, top: 0, width: canvas.clientWidth, height: canvas.clientHeight };
        choose(clamp((event.offsetX - left) / width, 0, 0.9999), clamp((event.offsetY - top) / height, 0, 0.9999));
      };
      canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); at(event); };
      canvas.onpointermove = (event) => { if (event.buttons & 1) at(event); };
    };
    const length = (n) => this.found.clips[n].frames, index = (share, n) => Math.floor(share * length(n));
    const moment = (frame, other) => this.change({ frame, offset: other - this.found.pair.matched[frame] }, true);
    for (const name of Object.keys(panels)) if (/chosen|within|matched$/.test(name)) pointed(name, (right, down) => this.change({ right, down }));
    for (const name of ["matrix", "sound_matrix"]) pointed(name, (right, down) => moment(index(down, 0), index(right, 1)));
    pointed("curve", (right) => moment(this.state.frame, index(right, 1)));
    pointed("sounds", (right) => {
      const [first, second] = this.found.clips.map(({ frames, fps }) => frames / fps);
      this.change({ frame: Math.floor(right * Math.max(first, second) * this.found.clips[0].fps) });
    });
    const keyed = (canvas, move) => {
      canvas.onkeydown = (event) => {
        if (!(event.key in STEPS) || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        event.stopPropagation();
        move(...STEPS[event.key]);
      };
    };
    keyed(panels.chosen, (down, right) => {
      if (!this.found.sides) return;
      const { shape } = this.found.sides[0], { row, column } = placeOn(shape, this.state.down, this.state.right);
      this.change({ down: clamp((row + down + 0.5) / shape[0], 0, 1), right: clamp((column + right + 0.5) / shape[1], 0, 1) });
    });
    keyed(panels.matrix, (down, right) => (
      this.change({ frame: Math.max(this.state.frame + down, 0), offset: this.state.offset + right }, right !== 0)));
  }

  act(name, value) {
    const play = ["first", "second"].indexOf(name), clip = this.found.clips[play];
    if (name === "clips") this.show(this.choices[value]);
    else if (["metric", "compare", "level"].includes(name)) this.show(this.choice, { ...this.state, [name]: name === "level" ? Number(value) : value });
    else if (name === "place") this.change({ down: value[0], right: value[1] });
    else if (name === "temperature") this.change({ temperature: Number((10 ** value).toPrecision(3)) });
    else if (name === "Save PNG") savePicture(this.root, this.view, this.link, this.name);
    else if (name === "Save CSV") saveNumbers(this.view, this.link, this.name);
    else if (name === "Copy link") this.copy();
    else if (play < 0) this.change({ [name]: value }, name === "offset");
    else if (this.player.playing === clip) this.player.stop();
    else this.player.play(clip, this.view.frames[play]);
  }

  change(changes, asked = false) {
    Object.assign(this.state, changes);
    settle(this.state, this.found.pair, this.found.clips, asked);
    this.schedule();
  }

  // A frame sounds: of the first clip itself, of the second the one that says the same.
  hear(frame) {
    const { clips, pair } = this.found, apart = Array.from(pair.matched, (matched) => Math.abs(matched - frame));
    this.change({ frame: this.player.playing === clips[0] ? frame : apart.indexOf(Math.min(...apart)) });
  }

  async copy() {
    const link = this.choices ? location.href.replace(/#.*/, "") + this.link : this.link;
    const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
    this.tell(`${copied ? "In the clipboard" : "Copy this link"}: ${link}`);
  }

  fillLists() {
    const { parts: { controls }, choice, choices, found: { pair, sides }, state } = this;
    const lacks = (metric, level) => !this.has(choice, metric, level);
    const metrics = Object.entries(pair.metrics).map(([name, title]) => [name, title, LEVELS.every((level) => lacks(name, level))]);
    fillList(controls.metric, metrics, state.metric);
    fillList(controls.compare, [["", "nothing"], ...metrics.filter(([name]) => name !== WITHOUT_PLACES)], state.compare);
    if (sides) fillList(controls.level, Array.from({ length: sides[0].levels }, (_, n) => [n, n, lacks(state.metric, n)]), state.level);
    const clips = choices?.map((each, n) => [n, `${each[1]}, ${each[2]}: ${each[3]} and ${each[4]}`]);
    if (choices) fillList(controls.clips, clips, choices.findIndex((each) => each.join() === choice.join()));
  }

  // Draw at once, and what follows before the next frame of the screen only then.
  schedule() {
    this.late = Boolean(this.waiting);
    if (this.late || !this.parts) return;
    this.draw();
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.late) this.schedule();
    });
  }

  draw() {
    const { parts: { panels, captions, ends, other }, state, found: { pair, clips, distances } } = this;
    const view = this.view = viewOf(state, this.found), [first, second] = clips;
    this.bringUp(view);
    if (!this.root.clientWidth) return; // not on the screen
    const shown = Object.keys(NOTES).map((name, n) => [name, n < 2 ? first : second, view.frames[Math.max(n - 1, 0)]]);
    const say = (panel, title, note) => { [captions[panel][0].textContent, captions[panel][1].textContent] = [title, note]; };
    const paintRow = (prefix, maps) => shown.forEach(([name, clip, frame], n) => {
      if (!(prefix + name in panels)) return;
      const map = maps.maps?.[n - 1], value = map ? ` ${short(map[maps.place.at])}` : "";
      say(prefix + name, `${clip.emotion}, frame ${frame}`, NOTES[name] + value);
      paintFace(panels[prefix + name], clip, frame, map, maps, pair.similar_colours);
    });
    paintRow("", view);
    if (view.weights) {
      const limits = [1, Math.max(...view.weights.filter((value) => !isNaN(value)), 1.01)];
      say("chosen", captions.chosen[0].textContent, `weights 1.00 to ${limits[1].toFixed(2)}`);
      paintFace(panels.chosen, first, view.frames[0], view.weights, { ...view, limits }, pair.weight_colours);
    }
    if (view.compared) paintRow("compared_", view.compared);
    other.textContent = view.compared ? `${pair.metrics[state.compare]}:` : "";
    if (!distances) {
      paintScale(panels.scale, pair.similar_colours);
      ends.forEach((end, n) => { end.textContent = (n ? "" : `${view.quantity} `) + short(view.limits[n]); });
    } else say("chosen", captions.chosen[0].textContent, `${(state.frame / first.fps).toFixed(2)} s`);
    const scale = `${short(view.ends[0])} (dark) to ${short(view.ends[1])}`;
    say("matrix", distances ? "Expression over time" : "This place over time", scale);
    paintMatrix(panels.matrix, view.moments, view.ends, pair.time_colours, clips, pair.path, view.frames);
    say("sound_matrix", "Sound over time", scale);
    if (view.sound) paintMatrix(panels.sound_matrix, view.sound, view.ends, pair.time_colours, clips, pair.path, view.frames);
    say("curve", `Frame ${state.frame} against all`, distances ? "expression —, sound - -" : "● same moment, ■ other moment");
    paintCurve(panels.curve, view.moments, view.sound, view.ends, clips, view.frames);
    say("sounds", "Sounds", "click for the frame");
    paintSounds(panels.sounds, clips, pair.path, view.frames);
    this.drawn++;
  }

  // Bring controls and words up to the view.
  bringUp(view) {
    const { parts, parts: { controls, panels }, state, found: { sides, clips: [first, second] }, player } = this;
    const places = Boolean(sides), matched = view.frames[1];
    parts.text.ariaLive = player.playing ? "off" : "polite";
    if (parts.text.textContent !== view.text) parts.text.textContent = view.text;
    setRange(controls.frame, 0, first.frames - 1, state.frame, String(state.frame));
    setRange(controls.offset, -matched, second.frames - 1 - matched, state.offset, (state.offset > 0 ? "+" : "") + state.offset);
    setRange(controls.temperature, -2, 0.5, Math.log10(state.temperature), short(state.temperature));
    setRange(controls.threshold, -1, 1, state.threshold, state.threshold <= -1 ? "none" : state.threshold.toFixed(2));
    for (const name of ["probability", "weights"]) controls[name].checked = state[name];
    for (const name of ["compare", "level", "threshold", "probability"]) controls[name].disabled = !places;
    controls.temperature.disabled = !places || !state.probability;
    controls.weights.disabled = !sides?.[0].weights;
    const says = (clip) => (player.playing === clip ? "Stop" : `Play ${clip.emotion}`);
    [controls.first.textContent, controls.second.textContent] = [says(first), says(second)];
    parts.compared.hidden = !view.compared;
    parts.scale.hidden = panels.within.parentElement.hidden = !places;
    panels.sound_matrix.parentElement.hidden = !view.sound;
  }
}

// The host of a notebook: a kernel answers, and ipywidgets beside the view choose the clips.
function render({ model, el }) {
  const explorer = new Explorer(el.appendChild(document.createElement("div")), packetsOfKernel(model), null);
  const follow = () => explorer.show(model.get("choice"));
  model.on("change:choice", follow);
  explorer.show(model.get("choice"), fromLink(model.get("link")).state);
  return () => {
    model.off("change:choice", follow);
    explorer.close();
  };
}

// The host of a page that holds all its packets.
export function openPage(root, choices) {
  const explorer = new Explorer(root, packetsOfPage(document), choices);
  const follow = () => {
    const { choice, state } = fromLink(location.hash);
    return explorer.show(choices.find((each) => each.join("|") === choice?.join("|")) ?? choices[0], state);
  };
  addEventListener("hashchange", follow);
  return follow();
}

export default { render };
