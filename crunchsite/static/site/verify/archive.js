// Unpacks the archive of a bundle: a ZIP by its own list.
(() => {
  "use strict";
  const { decoder, joined } = globalThis.bundles;
  const LARGEST = 1024 ** 3; // unpacked: a browser holds all of it

  const unpack = async (file) => {
    const data = new Uint8Array(await file.arrayBuffer());
    const view = new DataView(data.buffer);
    let end = data.length - 22;
    while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end -= 1;
    if (end < 0) throw new Error("it is no ZIP, or its end is missing");
    const files = new Map();
    let at = view.getUint32(end + 16, true);
    let total = 0;
    for (let i = view.getUint16(end + 10, true); i > 0; i -= 1) {
      const [method, packed, size] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
      const [name, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
      const start = view.getUint32(at + 42, true);
      total += size;
      if (total > LARGEST) throw new Error("it is too large for a browser; use coordinator verify");
      const body = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
      const called = decoder.decode(data.subarray(at + 46, at + 46 + name));
      if (files.has(called)) throw new Error(`it has ${called} twice`);
      files.set(called, { method, size, data: data.subarray(body, body + packed) });
      at += 46 + name + extra + comment;
    }
    return async (name) => {
      const found = files.get(name);
      if (!found) throw new Error(`it has no ${name}`);
      if (found.method === 0) return found.data;
      const reader = new Blob([found.data]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
      const parts = [];
      let left = found.size;
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        left -= part.value.length;
        if (left < 0) throw new Error(`${name} is larger than it says`);
        parts.push(part.value);
      }
      if (left) throw new Error(`${name} is cut off`);
      return joined(...parts);
    };
  };

  Object.assign(globalThis.bundles, { unpack });
})();
