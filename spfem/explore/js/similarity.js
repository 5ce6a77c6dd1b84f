// Similarities of places: scalar products of their descriptors, which packets hold as codes.

// Product of place `a` of one packet and place `b` of another, counted over all frames.
function product(first, a, second, b) {
  const size = first.shapes.codes[2];
  let sum = 0;
  for (let n = 0, i = a * size, j = b * size; n < size; n++) sum += first.codes[i + n] * second.codes[j + n];
  return sum * first.scale * second.scale;
}

// A map (H W) of a value for every place; the border, which has no places, is NaN.
function mapOf([height, width], valueOf) {
  const map = new Float32Array(height * width).fill(NaN);
  let place = 0;
  for (let row = 1; row < height - 1; row++) {
    for (let column = 1; column < width - 1; column++) map[row * width + column] = valueOf(place++);
  }
  return map;
}

// Similarity of place `index` of one frame to every place of another.
export function mapFrom(query, frame, index, key, other) {
  const places = query.shapes.codes[1];
  return mapOf(query.shape, (place) => product(query, frame * places + index, key, other * places + place));
}

// Similarity of a place at every frame of the first clip to itself at every frame of the second.
export function overTime(first, second, index) {
  const [rows, places] = first.shapes.codes, [columns] = second.shapes.codes;
  return Float32Array.from({ length: rows * columns }, (_, at) => (
    product(first, Math.floor(at / columns) * places + index, second, (at % columns) * places + index)));
}

// exp(s / temperature) over its sum over all places: what InfoNCE makes of similarities.
export function probabilities(map, temperature) {
  const [, largest] = endsOf(map), powers = map.map((value) => Math.exp((value - largest) / temperature));
  const sum = powers.reduce((total, value) => total + (value || 0), 0);
  return powers.map((value) => value / sum);
}

// Least and largest of what is a number.
export function endsOf(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

// Disparity weights of a frame, where the metric has them.
export function weightMap({ weights, shape, shapes }, frame) {
  return weights ? mapOf(shape, (place) => 1 + weights[frame * shapes.weights[1] + place] / 255) : null;
}

// Row and column of a place at shares (down, right) of the face, on a map without its border.
export function placeOn([height, width], down, right) {
  const inner = (share, side) => Math.min(Math.max(Math.floor(share * side), 1), side - 2);
  const row = inner(down, height), column = inner(right, width);
  return { row, column, index: (row - 1) * (width - 2) + column - 1, at: row * width + column };
}
