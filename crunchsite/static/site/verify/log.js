// Checks a bundle's part of the log: signed heads, one history, entries, keys.
(() => {
  "use strict";
  const { bytesOf, hex, fromHex, fromBase64, micros, plain, leaf, grow, rootOf, climbed } = globalThis.bundles;

  const keyOf = (vkey) => {
    const [name, id, ...rest] = vkey.trim().split("+");
    const [kind, ...key] = fromBase64(rest.join("+"));
    return { vkey: vkey.trim(), name, id, isWitness: kind === 4, public: Uint8Array.from(key) };
  };
  const signersOf = async (note, keys, report) => {
    const cut = note.lastIndexOf("\n\n");
    const [text, found] = [note.slice(0, cut + 1), []];
    for (const line of note.slice(cut + 2).trimEnd().split("\n")) {
      const [, name, blob] = line.split(" ");
      const raw = fromBase64(blob);
      const key = keys.find((each) => each.name === name && each.id === hex(raw.slice(0, 4)));
      if (!key) continue;
      const seconds = key.isWitness ? Number(new DataView(raw.buffer).getBigUint64(4)) : 0;
      const told = key.isWitness ? `cosignature/v1\ntime ${seconds}\n${text}` : text;
      const verifier = await crypto.subtle.importKey("raw", key.public, "Ed25519", false, ["verify"]);
      if (await crypto.subtle.verify("Ed25519", verifier, raw.slice(-64), bytesOf(told))) found.push({ key, seconds });
      else report.check("heads", false, `the head of ${text.split("\n")[1]} entries: ${name} did not sign it`);
    }
    return found;
  };

  // A new key is proven by its entry, below a head that the key before it has signed.
  const isVouchedFor = async ({ index, text, fact, vouched }, origin) => {
    if (!vouched || fact.origin !== origin || keyOf(fact.vkey).isWitness) return false;
    const [of, size, root] = vouched.note.split("\n");
    const found = await climbed(index, Number(size), await leaf(bytesOf(text)), vouched.path.map(fromHex));
    const signers = await signersOf(vouched.note, [keyOf(fact.replaces)], { check: () => {} });
    return signers.length > 0 && of === origin && index < Number(size) && hex(found) === hex(fromBase64(root));
  };
  // Returns the vkeys to which the given ones lead, and why they lead to no others.
  const ledTo = async (given, named, origin) => {
    const [known, why] = [new Set(given), new Map()];
    let before = "";
    for (const each of named) {
      const { vkey, replaces, lost } = each.fact;
      const last = before || replaces;
      before = vkey;
      if (known.has(vkey) || !known.has(replaces)) continue;
      if (last !== replaces) why.set(vkey, `${replaces} was not the log's key any more when entry ${each.index} replaced it by ${vkey}`);
      else if (lost !== false) why.set(vkey, `the log says that ${replaces} was lost, so nothing vouches for ${vkey}`);
      else if (await isVouchedFor(each, origin)) known.add(vkey);
      else why.set(vkey, `no head that ${replaces} has signed covers entry ${each.index}, which names ${vkey}`);
    }
    return [known, why];
  };

  const checkLog = async (rows, told, data, pinned, report) => {
    const { check, leave } = report;
    const own = pinned.filter((key) => !key.isWitness);
    const others = pinned.filter((key) => key.isWitness);
    if (!own.length) leave("keys", "no key of the log was given: the keys are those that the bundle names");
    if (!others.length && told.witnesses.length) leave("witnesses", "no key of a witness was given: they are those that the bundle names");
    const given = own.length ? own.map((key) => key.vkey) : told.keys;
    const witnesses = others.length ? others : told.witnesses.map((each) => keyOf(each.vkey));
    const entries = (await rows("entries.jsonl")).map(plain).map((row) => ({ ...row, text: row.entry, fact: JSON.parse(row.entry) }));
    const named = entries.filter(({ fact }) => fact.kind === "key").sort((a, b) => a.index - b.index);
    const [known, why] = await ledTo(given, named, told.origin);
    const keyAt = (size) => named.filter((each) => each.index < size).at(-1)?.fact.vkey;
    // The last head is signed with this key, and all others lead to it.
    const newest = keyAt(told.end);
    if (!known.has(newest)) check("keys", false, why.get(newest) ?? `no key that is known leads to ${newest}`);
    const roots = new Map();
    const log = { entries: new Map(), ofKind: new Map(), signedAt: [], cosigned: [] };
    for (const head of (await rows("heads.jsonl")).map(plain)) {
      const [origin, size, root] = head.note.split("\n");
      const vkey = keyAt(Number(size));
      const by = known.has(newest) && vkey ? [keyOf(vkey)] : [];
      const signers = await signersOf(head.note, [...by, ...witnesses], report);
      const isOwn = origin === told.origin && signers.some(({ key }) => key.vkey === vkey);
      check("heads", isOwn, `the head of ${size} entries: it is not signed by ${vkey}, the log's key by then, or nothing leads to that`);
      roots.set(Number(size), [...(roots.get(Number(size)) ?? []), hex(fromBase64(root))]);
      if (!isOwn) continue;
      log.signedAt.push([Number(size), micros(head.signed_at)]);
      const times = signers.filter(({ key }) => key.isWitness).map(({ seconds }) => seconds * 1e6);
      if (times.length) log.cosigned.push([Number(size), Math.min(...times)]);
    }
    log.signedAt.sort(([a], [b]) => a - b);
    const nodes = told.before.map(fromHex);
    const hashes = [];
    for (let i = 0; i < data.length; i += 32) hashes.push(data.subarray(i, i + 32));
    for (const [i, entry] of hashes.entries()) {
      const size = told.start + i + 1;
      await grow(nodes, size - 1, entry);
      for (const root of roots.get(size) ?? []) {
        check("fork", root === hex(await rootOf(nodes)), `the signed head of ${size} entries is of another history than the log's hashes`);
      }
      roots.delete(size);
    }
    check("heads", log.signedAt.some(([size]) => size === told.end), `no signed head covers all ${told.end} entries`);
    check("fork", !roots.size && told.start + hashes.length === told.end, "a head is not within the log's hashes");
    const root = hex(await rootOf(nodes));
    let last = -1;
    for (const row of entries) {
      const entry = await leaf(bytesOf(row.text));
      const isThere = row.index < told.start
        ? hex(await climbed(row.index, told.end, entry, row.path.map(fromHex))) === root
        : hex(hashes[row.index - told.start] ?? []) === hex(entry);
      check("entries", isThere, `entry ${row.index} is not what the log has at this place`);
      const of = row.fact.competition ?? told.competition;
      check("entries", of === told.competition, `entry ${row.index} is of the competition ${of}`);
      check("entries", row.index > last, `entry ${row.index} does not come in its order`);
      last = row.index;
      log.entries.set(row.index, row.fact);
      log.ofKind.set(row.fact.kind, [...(log.ofKind.get(row.fact.kind) ?? []), row.fact]);
    }
    for (const vkey of given) check("keys", named.some(({ fact }) => fact.vkey === vkey), `the log does not name ${vkey}`);
    return log;
  };

  Object.assign(globalThis.bundles, { keyOf, checkLog });
})();
