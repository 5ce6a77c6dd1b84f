// A view as files: a picture with its words and settings, and its numbers.

const LINE_LETTERS = 120;

function save(name, blob) {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// The panels as they stand on the screen, with their captions; words and the link below.
export async function savePicture(root, view, link, name) {
  const whole = root.getBoundingClientRect(), look = getComputedStyle(root), scale = 2, canvas = document.createElement("canvas");
  const seen = [...root.querySelectorAll("figure, .scale")].filter((panel) => panel.offsetWidth);
  const boxes = seen.map((panel) => panel.getBoundingClientRect());
  const top = Math.min(...boxes.map((box) => box.top)) - 8, bottom = Math.max(...boxes.map((box) => box.bottom)) - top;
  const lines = `${view.text}\n${link}`.match(new RegExp(`\\S.{0,${LINE_LETTERS}}(?=\\s|$)|\\S{1,${LINE_LETTERS}}`, "g"));
  [canvas.width, canvas.height] = [scale * whole.width, scale * (bottom + 18 * lines.length + 24)];
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.fillStyle = look.backgroundColor;
  context.fillRect(0, 0, whole.width, canvas.height);
  Object.assign(context, { fillStyle: look.color, textBaseline: "top" });
  for (const part of seen.flatMap((panel) => [...panel.querySelectorAll("canvas, span")])) {
    const { left, top: above, width, height } = part.getBoundingClientRect(), at = [left - whole.left, above - top];
    context.font = getComputedStyle(part).font;
    if (part.tagName === "CANVAS") context.drawImage(part, ...at, width, height);
    else context.fillText(part.textContent, ...at);
  }
  context.font = "13px system-ui, sans-serif";
  lines.forEach((text, n) => context.fillText(text, 8, bottom + 12 + 18 * n));
  save(`${name}.png`, await new Promise((resolve) => canvas.toBlob(resolve)));
}

// Every number of the view: places of maps by row and column, moments by frame and frame.
export function saveNumbers(view, link, name) {
  const rows = [`# ${link}`, `# ${view.text}`, `# unit of the maps: ${view.quantity}`, "panel,row,column,value"];
  const add = (panel, values, width) => values?.forEach((value, at) => {
    if (!isNaN(value)) rows.push([panel, Math.floor(at / width), at % width, value.toPrecision(6)].join());
  });
  ["within", "matched", "mismatched"].forEach((panel, n) => {
    add(panel, view.maps?.[n], view.shape?.[1]);
    add(`compared_${panel}`, view.compared?.maps[n], view.compared?.shape[1]);
  });
  add("weights", view.weights, view.shape?.[1]);
  add("over_time", view.moments, view.columns);
  add("sound_over_time", view.sound, view.columns);
  save(`${name}.csv`, new Blob([`${rows.join("\n")}\n`], { type: "text/csv" }));
}
