// Drawing on canvases: faces with maps, the matrix over time, its row as a curve, both sounds.

import { short } from "./view.js";

const OPACITY = 0.7; // of a map over a face
const COLUMNS = 400; // of the drawn loudness
const SAME = "#0072b2", OTHER = "#d55e00"; // told apart by colour-blind readers, and by their shapes
const TWICE = [["#000", 2.2], ["#fff", 1]]; // a dark and a bright line: one of them is seen on any ground

// Where the data of a canvas with axes lie, in its CSS pixels.
export function inside({ clientWidth, clientHeight }) {
  return { left: 44, top: 6, width: clientWidth - 52, height: clientHeight - 40 };
}

// Fit a canvas to its place on the screen, and clear it.
function fit(canvas) {
  const ratio = window.devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = canvas;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  return { context, width, height, ink: getComputedStyle(canvas).color, box: inside(canvas) };
}

// Values as a small canvas of their colours; what is no number is left open.
function tinted(values, [rows, columns], [low, high], colours, opacity = 1) {
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let at = 0; at < values.length; at++) {
    if (isNaN(values[at])) continue;
    const shade = 3 * Math.min(Math.max(Math.floor(256 * (values[at] - low) / (high - low || 1)), 0), 255);
    for (let n = 0; n < 3; n++) image.data[4 * at + n] = colours[shade + n];
    image.data[4 * at + 3] = 255 * opacity;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// A face, grey under a map where there is one, with the chosen place framed where there is one.
export function paintFace(canvas, clip, frame, map, { place, shape, limits }, colours) {
  const { context, width, height } = fit(canvas), { side, columns } = clip;
  context.imageSmoothingEnabled = true;
  context.drawImage(clip.strip, (frame % columns) * side, Math.floor(frame / columns) * side, side, side, 0, 0, width, height);
  if (map) {
    Object.assign(context, { globalCompositeOperation: "saturation", fillStyle: "#808080" });
    context.fillRect(0, 0, width, height);
    Object.assign(context, { globalCompositeOperation: "source-over", imageSmoothingEnabled: false });
    context.drawImage(tinted(map, shape, limits, colours, OPACITY), 0, 0, width, height);
  }
  const [down, across] = place ? [height / shape[0], width / shape[1]] : [0, 0];
  for (const [strokeStyle, line] of place ? TWICE : []) {
    Object.assign(context, { strokeStyle, lineWidth: 1.8 * line });
    context.strokeRect(place.column * across, place.row * down, across, down);
  }
}

// Words at a point; where it is said how long they may be, they run upwards.
function write({ context, ink }, text, x, y, textAlign, textBaseline, longest) {
  context.save();
  context.translate(x, y);
  if (longest !== undefined) context.rotate(-Math.PI / 2);
  Object.assign(context, { fillStyle: ink, font: "12px system-ui, sans-serif", textAlign, textBaseline });
  context.fillText(text, 0, 0, longest);
  context.restore();
}

// The name of the axis across, its end, and the ends of the other.
function axes(area, across, end, top, bottom) {
  const { left, top: above, width, height } = area.box, below = above + height;
  write(area, "0", left, below + 4, "left", "top");
  write(area, end, left + width, below + 4, "right", "top");
  write(area, across, left + width / 2, below + 18, "center", "top");
  write(area, top, left - 5, above, "right", "top");
  write(area, bottom, left - 5, below, "right", "bottom");
}

function line(context, points, strokeStyle, lineWidth, dash = []) {
  Object.assign(context, { strokeStyle, lineWidth });
  context.setLineDash(dash);
  context.beginPath();
  for (const point of points) context.lineTo(...point);
  context.stroke();
  context.setLineDash([]);
}

function marks(context, same, other) {
  const circle = new Path2D(), square = new Path2D();
  circle.arc(...same, 5.5, 0, 2 * Math.PI);
  square.rect(other[0] - 5, other[1] - 5, 10, 10);
  for (const [shape, fillStyle] of [[square, OTHER], [circle, SAME]]) {
    Object.assign(context, { fillStyle, strokeStyle: "#fff", lineWidth: 1.5 });
    context.fill(shape);
    context.stroke(shape);
  }
}

// A matrix (T, U) with the warping path, the chosen frame and the two moments.
export function paintMatrix(canvas, values, ends, colours, clips, path, [frame, matched, other]) {
  const area = fit(canvas), { context, box } = area, [rows, columns] = clips.map((clip) => clip.frames);
  axes(area, `frame, ${clips[1].emotion}`, columns - 1, "0", rows - 1);
  write(area, `frame, ${clips[0].emotion}`, 4, box.top + box.height / 2, "center", "top", box.height - 30);
  context.drawImage(tinted(values, [rows, columns], ends, colours), box.left, box.top, box.width, box.height);
  const at = (row, column) => [box.left + (column + 0.5) * box.width / columns, box.top + (row + 0.5) * box.height / rows];
  const points = Array.from({ length: path.length / 2 }, (_, n) => at(path[2 * n], path[2 * n + 1]));
  for (const [colour, width] of TWICE) {
    line(context, points, colour, 1.4 * width);
    line(context, [at(frame, -0.5), at(frame, columns - 0.5)], colour, width);
  }
  marks(context, at(frame, matched), at(frame, other));
}

// The chosen frame's row of the matrix; with `sound`, that of a second one, dashed.
export function paintCurve(canvas, values, sound, [low, high], clips, [frame, matched, other]) {
  const area = fit(canvas), { context, box, ink } = area, columns = clips[1].frames;
  axes(area, `frame, ${clips[1].emotion}`, columns - 1, short(high), short(low));
  const { left, top, width, height } = box;
  line(context, [[left, top], [left, top + height], [left + width, top + height]], ink, 1);
  const at = (matrix, column) => [left + (column + 0.5) * width / columns,
    top + (1 - (matrix[frame * columns + column] - low) / (high - low || 1)) * height];
  const row = (matrix) => Array.from({ length: columns }, (_, column) => at(matrix, column)).filter((point) => !isNaN(point[1]));
  if (sound) line(context, row(sound), "#cc79a7", 2, [6, 4]);
  line(context, row(values), ink, 2);
  marks(context, at(values, matched), at(values, other));
}

// Loudness of a clip as a shape from 0 to 1 across, its loudest moment at 1.
export function outline(sound) {
  const most = sound.reduce((top, value) => Math.max(top, Math.abs(value)), 1), upper = [], lower = [];
  for (let n = 0; n < COLUMNS; n++) {
    const part = sound.subarray(Math.floor(n * sound.length / COLUMNS), Math.ceil((n + 1) * sound.length / COLUMNS));
    const [low, high] = part.reduce((ends, value) => [Math.min(ends[0], value), Math.max(ends[1], value)], [0, 0]);
    upper.push(`${(n + 0.5) / COLUMNS},${-high / most}`);
    lower.unshift(`${(n + 0.5) / COLUMNS},${0.02 - low / most}`);
  }
  return new Path2D(`M${[...upper, ...lower].join("L")}Z`);
}

// Both sounds, thin lines between moments that say the same, and the cursors.
export function paintSounds(canvas, clips, path, [frame, matched, other]) {
  const area = fit(canvas), { context, box, ink } = area, half = box.height / 6;
  const longest = Math.max(...clips.map((clip) => clip.frames / clip.fps));
  axes(area, "seconds; thin lines join moments that say the same", longest.toFixed(2), "", "");
  const x = (seconds) => box.left + (seconds / longest) * box.width, at = (n, index) => x((index + 0.5) / clips[n].fps);
  const middles = [box.top + half, box.top + 5 * half], [high, low] = [box.top + 2 * half, box.top + 4 * half];
  clips.forEach((clip, n) => {
    context.save();
    context.translate(box.left, middles[n]);
    context.scale(x(clip.sound.length / clip.sample_rate) - box.left, half);
    context.fillStyle = [SAME, "#e69f00"][n];
    context.fill(clip.outline);
    context.restore();
    write(area, clip.emotion, 20, middles[n], "center", "top", 3 * half);
  });
  const step = Math.ceil(path.length / 120);
  context.globalAlpha = 0.4;
  for (let n = 0; n < path.length; n += 2 * step) line(context, [[at(0, path[n]), high], [at(1, path[n + 1]), low]], ink, 0.8);
  context.globalAlpha = 1;
  const here = at(0, frame);
  for (const [index, colour, dash] of [[other, OTHER, [5, 4]], [matched, SAME, []]]) {
    const there = at(1, index);
    line(context, [[here, high], [there, low], [there, box.top + box.height]], colour, 2, dash);
  }
  line(context, [[here, box.top], [here, high]], ink, 2);
}

// A colour scale from left to right.
export function paintScale(canvas, colours) {
  const { context, width, height } = fit(canvas), shades = Float32Array.from({ length: 256 }, (_, n) => n);
  context.drawImage(tinted(shades, [1, 256], [0, 255], colours), 0, 0, width, height);
}
