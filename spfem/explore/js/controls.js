// The page's elements: controls by the name of what they change, panels with captions, the words.

import { PLACES } from "./view.js";

const SELECTS = {
  clips: ["clips", "two recordings of the same words"],
  metric: ["metric", "which correlations are shown"],
  compare: ["compare with", "a second row of maps by another metric, such as before learning"],
  level: ["level", "level of the metric: 0 is the finest map"],
};
const RANGES = { // name: [label, what it does, least, most, step]
  frame: ["frame", "frame of the first clip", 0, 1, 1],
  offset: ["other moment", "frames from the same moment of the second clip to the other one", -1, 1, 1],
  temperature: ["temperature", "of the probabilities: lower is sharper", -2, 0.5, 0.05], // a power of ten
  threshold: ["threshold", "places of less similarity are left out of the maps", -1, 1, 0.02],
};
const CHECKS = {
  probability: ["probability", "exp(similarity / temperature), summed to one over places"],
  weights: ["weights", "disparity weights over the first face"],
};
const BUTTONS = ["first", "second", "Save PNG", "Save CSV", "Copy link"];
const FACES = ["chosen", "within", "matched", "mismatched"];

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// All elements by name, inside `root`; `act(name, value)` hears what a reader does.
export function build(root, act) {
  const controls = {}, panels = {}, captions = {};
  const label = (name, [text, title], control, ...more) => {
    controls[name] = control;
    control.dataset.name = name;
    return make("label", { title, className: control.type }, make("span", { textContent: text }), control, ...more);
  };
  const selects = Object.entries(SELECTS).map(([name, said]) => label(name, said,
    make("select", { onchange: ({ target }) => act(name, target.value) })));
  const ranges = Object.entries(RANGES).map(([name, [text, title, min, max, step]]) => label(name, [text, title],
    make("input", { type: "range", min, max, step, oninput: ({ target }) => act(name, Number(target.value)) }), make("output")));
  const checks = Object.entries(CHECKS).map(([name, said]) => label(name, said,
    make("input", { type: "checkbox", onchange: ({ target }) => act(name, target.checked) })));
  const button = (name, textContent, value) => make("button", { type: "button", textContent, onclick: () => act(name, value) });
  for (const name of BUTTONS) controls[name] = button(name, name);
  const [first, second, ...files] = BUTTONS.map((name) => controls[name]);
  const panel = (name) => {
    captions[name] = [make("span", { className: "title" }), make("span", { className: "note" })];
    panels[name] = make("canvas", { className: name });
    return make("figure", {}, make("figcaption", {}, ...captions[name]), panels[name]);
  };
  const row = (...children) => make("div", { className: "row" }, ...children);
  const text = make("p", { className: "text", role: "status" }), alert = make("p", { className: "alert", role: "alert", hidden: true });
  const ends = [make("span"), make("span")], other = make("span", { className: "title" });
  panels.scale = make("canvas");
  const scale = make("div", { className: "scale" }, ends[0], panels.scale, ends[1]);
  const compared = make("div", { className: "faces" }, make("figure", {}, other), ...FACES.slice(1).map((name) => panel(`compared_${name}`)));
  root.replaceChildren(
    row(...selects), row(...ranges.slice(0, 2), first, second),
    row(checks[0], ...ranges.slice(2), checks[1]),
    row(make("span", { textContent: "Look at" }), ...Object.entries(PLACES).map(([name, at]) => button("place", name, at))),
    alert, text, make("div", { className: "faces" }, ...FACES.map(panel)), compared, scale,
    make("div", { className: "time" }, panel("matrix"), panel("sound_matrix"), panel("curve")), panel("sounds"), row(...files),
  );
  for (const [name, ariaLabel] of [["chosen", "Chosen place: arrow keys move it"],
    ["matrix", "Moments: up and down choose the frame, left and right the other moment"]]) {
    Object.assign(panels[name], { tabIndex: 0, role: "application", ariaLabel });
  }
  return { controls, panels, captions, text, alert, ends, other, compared, scale };
}

// Set what a range may be and is, in numbers and in words.
export function setRange(control, min, max, value, words) {
  Object.assign(control, { min, max, value, ariaValueText: words });
  control.nextElementSibling.textContent = words;
}

// Fill a list; `options` are [value, words, whether it cannot be chosen].
export function fillList(select, options, chosen) {
  select.replaceChildren(...options.map(([value, textContent, disabled]) => make("option", { value, textContent, disabled })));
  select.value = chosen;
}
