// A view: what was chosen, and every number and word that follows from it.

import { endsOf, mapFrom, overTime, placeOn, probabilities, weightMap } from "./similarity.js";

export const PLACES = { mouth: [0.72, 0.5], eye: [0.42, 0.33], cheek: [0.62, 0.22] };
export const WITHOUT_PLACES = "audio_visual";
export const FIRST = {
  metric: "spatial", compare: "", level: 1, frame: -1, offset: null, down: 0.72, right: 0.5,
  probability: false, temperature: 0.1, threshold: -1, weights: false,
};

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// A choice of clips and a state as part of a link.
export function toLink(choice, state) {
  const said = Object.entries(state).filter(([name, value]) => value !== FIRST[name]);
  return `#${new URLSearchParams([["clips", choice.join("|")], ...said])}`;
}

// And back; what a link does not say, or says wrongly, is as at first.
export function fromLink(link) {
  const said = new URLSearchParams(link.replace(/^[^#]*#/, "")), state = { ...FIRST };
  for (const name of Object.keys(FIRST)) {
    const value = said.get(name);
    if (typeof FIRST[name] === "boolean") state[name] = value === "true";
    else if (typeof FIRST[name] === "string") state[name] = value ?? FIRST[name];
    else if (value && isFinite(value)) state[name] = Number(value);
  }
  return { choice: said.get("clips")?.split("|"), state };
}

// Bring a state inside the clips. The other moment keeps its distance where something else is said
// there, or if that was `asked` for; else it is the usual one.
export function settle(state, pair, [first, second], asked = false) {
  const frame = state.frame < 0 ? Math.floor(first.frames / 2) : Math.round(state.frame);
  state.frame = clamp(frame, 0, first.frames - 1);
  const matched = pair.matched[state.frame], other = matched + Math.round(state.offset ?? NaN);
  const inside = clamp(other, 0, second.frames - 1);
  const differs = inside === other && pair.elsewhere[state.frame * second.frames + other];
  state.offset = (differs || (asked && !isNaN(other)) ? inside : pair.other[state.frame]) - matched;
  state.temperature = clamp(state.temperature, 0.01, 10);
  state.threshold = clamp(state.threshold, -1, 1);
}

// Maps of one metric (its packets of both clips) at the place and moments of a state.
function mapsOf(state, [first, second], [frame, matched, other]) {
  const place = placeOn(first.shape, state.down, state.right);
  const similar = [[first, frame], [second, matched], [second, other]]
    .map(([key, at]) => mapFrom(first, frame, place.index, key, at));
  const values = state.probability ? similar.map((map) => probabilities(map, state.temperature)) : similar;
  const blank = (map, n) => map.map((value, at) => (similar[n][at] >= state.threshold ? value : NaN));
  const maps = state.threshold <= -1 ? values : values.map(blank);
  const limits = state.probability ? [0, endsOf([...values[1], ...values[2]])[1]] : [-1, 1];
  return { place, shape: first.shape, values, maps, limits };
}

// Everything that is shown. `found` holds pair, clips and sides (packets of the metric), perhaps
// compared (of another metric), or distances (of sound and expression) in their stead.
export function viewOf(state, found) {
  const { pair, clips, sides, compared, distances } = found, matched = pair.matched[state.frame];
  const view = { frames: [state.frame, matched, matched + state.offset], columns: clips[1].frames };
  view.quantity = distances ? "distance" : state.probability ? "probability" : "similarity";
  if (distances) Object.assign(view, { moments: distances.moments, sound: distances.sound });
  else {
    Object.assign(view, mapsOf(state, sides, view.frames));
    view.moments = overTime(...sides, view.place.index);
    if (state.weights) view.weights = weightMap(sides[0], state.frame);
    if (compared) view.compared = mapsOf(state, compared, view.frames);
    if (compared) view.limits = view.compared.limits = [view.limits[0], Math.max(view.limits[1], view.compared.limits[1])];
  }
  view.ends = distances ? [0, endsOf([...view.moments, ...view.sound])[1]] : endsOf(view.moments);
  view.text = words(state, view, pair, clips);
  return view;
}

// A number in a few characters; more digits only for small ones.
export function short(value) {
  if (isNaN(value)) return "blank";
  return (Math.abs(value) >= 0.1 || value === 0 ? value.toFixed(2) : value.toPrecision(2)).replace("-", "−");
}

function words(state, view, pair, clips) {
  const moments = view.frames.map((frame, n) => {
    const { emotion, visemes } = clips[Math.min(n, 1)];
    return `${emotion} frame ${frame}${visemes ? ` (viseme ${visemes[frame]})` : ""}`;
  });
  const title = pair.metrics[state.metric], sides = [["Matched", 1], ["Mismatched", 2]];
  if (view.sound) {
    const value = (matrix, n) => short(matrix[state.frame * view.columns + view.frames[n]]);
    const said = sides.map(([name, n]) => `${name}, ${moments[n]}: distance of sound ${value(view.sound, n)}, `
      + `of expression ${value(view.moments, n)}.`);
    return [`${title}, ${moments[0]}.`, ...said, pair.remark].join(" ").trim();
  }
  const { row, column, at } = view.place, [height, width] = view.shape;
  const number = (value) => value.toFixed(state.probability ? 4 : 2);
  const said = sides.map(([name, n]) => {
    const map = view.values[n], rank = map.filter((value) => value > map[at]).length + 1;
    const best = map.indexOf(endsOf(map)[1]);
    return `${name}, ${moments[n]}: ${view.quantity} ${number(map[at])} at the same place, rank ${rank} of `
      + `${(height - 2) * (width - 2)}; highest ${number(map[best])} at row ${Math.floor(best / width)}, column ${best % width}.`;
  });
  return [`${title}, level ${state.level}, row ${row} and column ${column} of ${height} by ${width}, ${moments[0]}.`,
    ...said, pair.remark].join(" ").trim();
}
