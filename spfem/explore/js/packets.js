// Packets: a header of plain values, and typed arrays by name.

const TYPES = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, int32: Int32Array, float32: Float32Array };

// Put bytes (ArrayBuffers, one for each array that the header lists) in place.
function openPacket(header, parts) {
  const packet = { ...header, shapes: {} };
  header.arrays.forEach(({ name, type, shape }, number) => {
    packet[name] = new TYPES[type](parts[number]);
    packet.shapes[name] = shape;
  });
  return packet;
}

// Descriptors lie axis by axis in a page, where they deflate well; products want them place by place.
function placeByPlace(packet) {
  if (!packet.codes) return packet;
  const [size, frames, places] = packet.shapes.codes, count = frames * places, codes = packet.codes.slice();
  for (let n = 0, at = 0; n < count; n++) for (let d = 0; d < size; d++) codes[at++] = packet.codes[d * count + n];
  packet.shapes.codes = [frames, places, size];
  return Object.assign(packet, { codes });
}

// The packets that lie in a page, each deflated and in base64, by what is asked.
export function packetsOfPage(document) {
  const find = (ask) => document.getElementById(JSON.stringify(ask));
  return {
    has: (ask) => find(ask) !== null,
    async fetch(ask) {
      if (!find(ask)) throw new Error(`This page does not hold ${ask.join(", ")}; notebook 17 does.`);
      const { textContent, dataset } = find(ask), header = JSON.parse(dataset.header);
      const packed = Uint8Array.from(atob(textContent.trim()), (letter) => letter.charCodeAt(0));
      const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
      const whole = await new Response(plain).arrayBuffer();
      let start = 0;
      return placeByPlace(openPacket(header, header.bytes.map((length) => whole.slice(start, (start += length)))));
    },
  };
}

// The packets of a kernel: one question, one answer, told apart by a number.
export function packetsOfKernel(model) {
  const open = new Map();
  let last = Math.floor(Math.random() * 2 ** 40); // several views of one widget hear all answers
  model.on("msg:custom", ({ id, header, error }, buffers) => {
    if (!open.has(id)) return;
    const parts = buffers.map((part) => part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength));
    if (error) open.get(id).reject(new Error(error));
    else open.get(id).resolve(openPacket(header, parts));
    open.delete(id);
  });
  const fetch = (ask) => new Promise((resolve, reject) => {
    open.set(++last, { resolve, reject });
    model.send({ id: last, ask });
  });
  return { has: () => true, fetch };
}
