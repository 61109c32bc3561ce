// What the steps of verifying a bundle share: bytes, hashes, exact JSON, trees.
(() => {
  "use strict";
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const bytesOf = (text) => encoder.encode(text);
  const hex = (data) => [...data].map((b) => b.toString(16).padStart(2, "0")).join("");
  const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const joined = (...parts) => {
    const found = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => (found.set(part, at), at + part.length), 0);
    return found;
  };
  const sha = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
  const leaf = (...parts) => sha([0], ...parts);
  const node = (left, right) => sha([1], left, right);
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const near = (a, b, size = 0) => a === b || (a != null && b != null && Math.abs(a - b) <= Math.max(1e-9 * Math.max(Math.abs(a), Math.abs(b)), 1e-12 * size));
  const mean = (pairs) => {
    const count = pairs.reduce((sum, [, n]) => sum + n, 0);
    return count ? pairs.reduce((sum, [v, n]) => sum + v * n, 0) / count : null;
  };
  const grouped = (items, key) => items.reduce((map, item) => map.set(key(item), [...(map.get(key(item)) ?? []), item]), new Map());

  // Microseconds since 1970: a Date knows milliseconds alone.
  const micros = (text) => {
    const [, whole, fraction, zone] = /^(.{19})(?:\.(\d{1,6}))?(Z|\+00:00)$/.exec(text);
    return Date.parse(`${whole}Z`) * 1000 + Number((fraction ?? "").padEnd(6, "0"));
  };

  // Exact JSON: "#0.5" is a number, "##" begins a text with one #.
  const plain = (x) => {
    if (Array.isArray(x)) return x.map(plain);
    if (x && typeof x === "object") return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, plain(v)]));
    if (typeof x !== "string" || x[0] !== "#") return x;
    return x[1] === "#" ? x.slice(1) : Number(x.slice(1));
  };
  const canonical = (x) => {
    if (Array.isArray(x)) return `[${x.map(canonical).join(",")}]`;
    if (x && typeof x === "object") return `{${Object.keys(x).sort().map((k) => `${JSON.stringify(k)}:${canonical(x[k])}`).join(",")}}`;
    return JSON.stringify(x);
  };
  const digest = async (x) => hex(await sha(bytesOf(canonical(x))));

  // Trees of RFC 6962, as their perfect subtrees, the largest first
  const grow = async (nodes, size, entry) => {
    nodes.push(entry);
    for (let n = size; n % 2; n = Math.floor(n / 2)) {
      const right = nodes.pop();
      nodes.push(await node(nodes.pop(), right));
    }
  };
  const rootOf = async (nodes) => {
    if (!nodes.length) return sha();
    let found = nodes.at(-1);
    for (const left of nodes.slice(0, -1).reverse()) found = await node(left, found);
    return found;
  };
  const treeOf = async (leaves) => {
    const nodes = [];
    for (const [size, entry] of leaves.entries()) await grow(nodes, size, entry);
    return hex(await rootOf(nodes));
  };
  // Nothing, if the path is not as long as that of this place: it is another one's.
  const climbed = async (start, size, entry, path) => {
    let [index, last, found] = [start, size - 1, entry];
    for (const other of path) {
      if (!last) return [];
      const isLeft = index % 2 === 1 || index === last;
      found = isLeft ? await node(other, found) : await node(found, other);
      while (isLeft && index && index % 2 === 0) [index, last] = [index >> 1, last >> 1];
      [index, last] = [index >> 1, last >> 1];
    }
    return last ? [] : found;
  };

  globalThis.bundles = { bytesOf, decoder, hex, fromHex, fromBase64, joined, sha, leaf, same, near, mean, grouped, micros, plain, canonical, digest, node, grow, rootOf, treeOf, climbed };
})();
