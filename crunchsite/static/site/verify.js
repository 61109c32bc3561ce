// Verifies a bundle (docs/integrator/bundle.md) in the browser, with WebCrypto alone.
// Nothing is sent anywhere: the file stays here.
(() => {
  "use strict";
  const WHOLE = 1_000_000_000n;
  const TIERS = [35n, 10n, 10n, 10n, 10n, 5n, 5n, 5n, 5n, 5n];
  const LARGEST = 1024 ** 3; // unpacked: a browser holds all of it
  const FEED = ["source", "subject", "kind", "granularity"];
  // What makes a truth and a score; the rest of the rules may change within a period.
  const MAKERS = ["GROUND_TRUTH_RESOLVER", "resolve_ground_truth", "SCORING_FUNCTION", "scoring_function", "batch_scoring_function"];
  // Of a trading account in a period: what was gained, spent or done, and how it stood.
  const AMOUNTS = ["net_pnl", "realized_pnl", "fees", "carry", "traded", "trades", "wins"];
  const LEVELS = ["unrealized_pnl", "exposure", "equity", "open_positions"];
  // Of all rounds of a period, and no sum of its snapshots.
  const IN_PARTS = ["max_drawdown", "sortino_ratio", "ic_sharpe", "turnover"];
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

  // --- The archive: a ZIP by its own list
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
      files.set(decoder.decode(data.subarray(at + 46, at + 46 + name)), { method, size, data: data.subarray(body, body + packed) });
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

  // --- The log
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
  const climbed = async (start, size, entry, path) => {
    let [index, last, found] = [start, size - 1, entry];
    for (const other of path) {
      const isLeft = index % 2 === 1 || index === last;
      found = isLeft ? await node(other, found) : await node(found, other);
      while (isLeft && index && index % 2 === 0) [index, last] = [index >> 1, last >> 1];
      [index, last] = [index >> 1, last >> 1];
    }
    return found;
  };
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

  const checkLog = async (rows, told, data, pinned, report) => {
    const { check, leave } = report;
    const all = [...told.keys, ...told.witnesses.map((each) => each.vkey)].map(keyOf);
    const chosen = [false, true].flatMap((is) => {
      const own = pinned.filter((key) => key.isWitness === is);
      return own.length ? own : all.filter((key) => key.isWitness === is);
    });
    if (!pinned.length) leave("keys", "no key was given: the keys are those that the bundle names");
    const roots = new Map();
    const log = { entries: new Map(), ofKind: new Map(), signedAt: [], cosigned: [] };
    for (const head of (await rows("heads.jsonl")).map(plain)) {
      const [origin, size, root] = head.note.split("\n");
      const signers = await signersOf(head.note, chosen, report);
      const isOwn = origin === told.origin && signers.some(({ key }) => !key.isWitness);
      check("heads", isOwn, `the head of ${size} entries is signed by no key of the log`);
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
    for (const row of (await rows("entries.jsonl")).map(plain)) {
      const entry = await leaf(bytesOf(row.entry));
      const isThere = row.index < told.start
        ? hex(await climbed(row.index, told.end, entry, row.path.map(fromHex))) === root
        : hex(hashes[row.index - told.start] ?? []) === hex(entry);
      check("entries", isThere, `entry ${row.index} is not what the log has at this place`);
      const fact = JSON.parse(row.entry);
      check("entries", row.index > last, `entry ${row.index} does not come in its order`);
      last = row.index;
      log.entries.set(row.index, fact);
      log.ofKind.set(fact.kind, [...(log.ofKind.get(fact.kind) ?? []), fact]);
    }
    const named = (log.ofKind.get("key") ?? []).map((fact) => fact.vkey);
    for (const key of chosen.filter((each) => !each.isWitness)) check("keys", named.includes(key.vkey), `the log does not name ${key.vkey}`);
    return log;
  };

  // --- Rounds: answers, order, truths
  const before = (closed, instant) => {
    let [low, high] = [0, closed.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (closed[middle] <= instant) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };
  const checkRounds = async (rows, told, log, rule, { check, leave }) => {
    const isTape = !rule.callables.resolve_ground_truth && rule.callables.GROUND_TRUTH_RESOLVER.path.startsWith("competitions.defaults:");
    const feeds = told.feeds.map((feed) => ({ name: FEED.map((k) => feed[k]).join(), closed: [], prices: [] }));
    for (const row of (await rows("tape.jsonl")).map(plain)) {
      feeds[row.feed].closed.push(micros(row.closed_at));
      feeds[row.feed].prices.push(row.price);
    }
    const scored = new Map();
    const rules = new Map((log.ofKind.get("rules") ?? []).map((fact) => [fact.digest, plain(JSON.parse(fact.rules))]));
    const seen = new Set();
    let late = 0;
    const rounds = await rows("rounds.jsonl");
    for (const row of rounds.map(plain)) {
      const [name, entry] = [`round ${row.round}`, log.entries.get(row.index)];
      if (!check("predictions", entry?.kind === "round" && entry.round === row.round, `${name} has no entry in the log`)) continue;
      check("predictions", told.of !== null || row.answers.every((a) => !a.hash), `${name} has answers that are not shown, and the bundle is no part`);
      check("predictions", !seen.has(row.round) && row.scope_key === entry.scope_key, `${name} is there twice, or of another scope than the log's`);
      seen.add(row.round);
      const hashes = [];
      for (const a of row.answers) hashes.push(a.hash ? fromHex(a.hash) : await leaf(fromHex(a.nonce), bytesOf(a.answer)));
      check("predictions", hashes.length === entry.answers, `${name}: ${hashes.length} answers are here, ${entry.answers} in the log`);
      check("predictions", (await treeOf(hashes)) === entry.root, `${name}: its answers are not those of the log`);
      const due = entry.resolvable_at ?? row.resolvable_at;
      check("predictions", row.asked_at === entry.asked_at && row.resolvable_at === due, `${name}: its instants are not the log's`);
      const ends = [micros(row.asked_at), micros(due)];
      const first = log.signedAt.find(([size]) => size > row.index);
      if (ends[0] < ends[1]) check("order", first && first[1] <= ends[1], `${name}: no head that covers it was signed before its truth could be known`);
      late += !log.cosigned.some(([size, at]) => size > row.index && at <= ends[1]);
      const origin = row.provenance ?? {};
      const used = rules.get(entry.rules)?.callables ?? {};
      const isAlike = MAKERS.every((each) => canonical(used[each] ?? null) === canonical(rule.callables[each] ?? null));
      const feed = feeds.find((each) => each.name === FEED.map((k) => origin[k]).join());
      if (origin.from === "tape" && feed) {
        const own = ["source", "kind", "granularity"].filter((k) => origin[k] !== rules.get(entry.rules)?.[`feed_${k}`]);
        check("truth", !own.length, `${name}: its truth is from the feed ${feed.name}, which the rules do not have`);
        const [a, b] = ends.map((end) => before(feed.closed, end));
        const [paid, got] = [feed.prices[a], feed.prices[b]];
        const truth = { actual_return: (got - paid) / paid, direction_up: got > paid, entry_price: paid, resolved_price: got };
        const closed = [micros(origin.entry_closed_at), micros(origin.resolved_closed_at)];
        const isRight = paid > 0 && canonical(truth) === canonical(row.truth) && same(closed, [feed.closed[a], feed.closed[b]]);
        check("truth", isRight, `${name}: its truth, from ${row.truth.entry_price} to ${row.truth.resolved_price}, does not follow from the candles, ${paid} and ${got}`);
      } else {
        const isPosted = ends[0] >= ends[1] || !entry.resolvable_at || !isTape || !isAlike;
        check("truth", isPosted, `${name}: its truth is from ${origin.from}, and the rules take it from the tape`);
        leave("truth", `of rounds whose truth is from ${origin.from}, not from two records`);
      }
      for (const a of row.answers.filter((each) => !each.hash)) {
        const said = JSON.parse(a.answer);
        check("predictions", said.model === a.model, `${name}: the answer of ${said.model} stands under ${a.model}`);
        check("predictions", said.outcome === "ANSWERED" || !a.score, `${name}: ${a.model} gave no answer and has a score`);
        if (!scored.has(a.model)) scored.set(a.model, []);
        scored.get(a.model).push([micros(row.resolved_at), a.score?.success ? a.score.value : null]);
      }
    }
    if (late) leave("witnesses", `${late} of ${rounds.length} rounds were not cosigned before their truth: there the site's own clock tells when`);
    leave("scores", "a browser does not run the scorer, which is Python: verify.py and coordinator verify do");
    return scored;
  };

  // --- Snapshots, ranking, emission, ledger
  const checkSnapshots = async (rows, log, rule, scored, { check, leave }) => {
    const field = rule.aggregation.value_field;
    const periods = new Map((log.ofKind.get("period") ?? []).map((entry) => [entry.period_start, entry]));
    const [hashes, contents] = [[], new Map()];
    for (const row of await rows("snapshots.jsonl")) {
      const isLogged = periods.get(row.period_start)?.revision === plain(row.revision);
      check("periods", isLogged, `a snapshot is of the period from ${row.period_start}, revision ${plain(row.revision)}, which is not in the log`);
      hashes.push([row.period_start, row.hash ?? (await digest(row.content))]);
      if (!row.content || row.is_virtual) continue;
      const content = plain(row.content);
      contents.set(content.model_id, [...(contents.get(content.model_id) ?? []), content]);
    }
    for (const model of new Set([...scored.keys(), ...contents.keys()])) {
      for (const [start, entry] of periods) {
        const [since, until] = [micros(start), micros(entry.period_end)];
        const all = (scored.get(model) ?? []).filter(([at]) => since <= at && at < until);
        const known = all.filter(([, value]) => value !== null).map(([, value]) => [value, 1]);
        const own = (contents.get(model) ?? []).filter((each) => each.period_start === start);
        if (all.length) check("snapshots", own.length, `${model} was asked in the period from ${start} and has no snapshot`);
        for (const each of own) {
          const name = `the snapshot of ${model} from ${start}`;
          check("snapshots", each.prediction_count === known.length, `${name} counts ${each.prediction_count}, and its scores are ${known.length}`);
          if (rule.trades || rule.callables.aggregate_snapshot) continue;
          check("snapshots", near(each.result_summary[field], mean(known)), `${name} has ${field} ${each.result_summary[field]}; its scores give ${mean(known)}`);
        }
      }
    }
    leave("snapshots", "their other figures, those of ensembles, and of other crunchers in a part, are those of the log");
    const byPeriod = grouped(hashes, ([start]) => start);
    for (const [start, entry] of periods) {
      const leaves = [];
      for (const text of (byPeriod.get(start) ?? []).map(([, hash]) => hash).sort()) leaves.push(await leaf(fromHex(text)));
      check("periods", (await treeOf(leaves)) === entry.root, `the snapshots of the period from ${start} are not those of the log`);
    }
    for (const entry of log.ofKind.get("period") ?? []) {
      const chained = entry.previous ? hex(await node(fromHex(entry.previous), fromHex(entry.root))) : entry.root;
      check("periods", chained === entry.chained_root, `the period from ${entry.period_start} is not chained to the one before`);
    }
    return contents;
  };

  const tierShares = (count) => {
    const tiers = Array.from({ length: count }, (_, i) => TIERS[i] ?? 0n);
    const left = 100n - tiers.reduce((sum, tier) => sum + tier, 0n);
    const whole = 100n * BigInt(count); // the denominator of each share
    const parts = tiers.map((tier, i) => ({ i, over: (tier * BigInt(count) + left) * WHOLE }));
    const shares = parts.map(({ over }) => over / whole);
    parts.sort((a, b) => (a.over % whole === b.over % whole ? a.i - b.i : a.over % whole > b.over % whole ? -1 : 1));
    const rest = Number(WHOLE - shares.reduce((sum, share) => sum + share, 0n));
    for (const { i } of parts.slice(0, count ? rest : 0)) shares[i] += 1n;
    return shares.map(Number);
  };
  const added = (pairs) => pairs.reduce((sums, [key, n]) => ({ ...sums, [key]: (sums[key] ?? 0) + n }), {});
  const sumOf = (sums) => Object.values(sums).reduce((sum, n) => sum + n, 0);

  const checkPayout = async (rows, told, log, rule, contents, { check, leave }) => {
    const [raw] = await rows("checkpoint.json");
    const [paid, [made]] = [plain(raw), log.ofKind.get("checkpoint")];
    const { meta, emission } = paid;
    const leaves = [];
    for (const entry of log.ofKind.get("period") ?? []) leaves.push(await leaf(fromHex(entry.chained_root)));
    const root = await treeOf(leaves);
    check("periods", root === made.root && root === paid.merkle_root, "the checkpoint is not the root of its periods");
    const isIt = ["competition", "checkpoint", "period_start", "period_end"].every((k) => made[k] === told[k]);
    check("rules", isIt && made.checkpoint === paid.checkpoint, "the checkpoint in the log is another one than the bundle says");
    check("ranking", (await digest(raw.meta)) === made.meta, "the ranking is not what the log has");
    const lines = [...meta.ranking, ...meta.unpaid];
    for (const model of contents.keys()) check("ranking", lines.some((line) => line.model_id === model), `${model} has snapshots and is not in the checkpoint: it was dropped`);
    const key = rule.aggregation.ranking_key in rule.aggregation.windows ? rule.aggregation.value_field : rule.aggregation.ranking_key;
    const isMoney = rule.trades && (key === rule.aggregation.value_field || AMOUNTS.includes(key));
    const isLevel = rule.trades && LEVELS.includes(key);
    for (const line of lines) {
      const own = contents.get(line.model_id) ?? [];
      if (told.of !== null && !own.length) { leave("ranking", "figures of other crunchers, of whom the bundle has no snapshots"); continue; }
      if (IN_PARTS.includes(key) || !rule.callables.MODEL_SCORE_AGGREGATOR.path.startsWith("competitions.defaults:")) { leave("ranking", `${key} of a period does not follow from its snapshots`); continue; }
      const known = own.filter((each) => each.result_summary[key] != null).map((each) => [each.result_summary[key], isLevel ? 1 : each.prediction_count]);
      const total = known.reduce((sum, [v]) => sum + v, 0);
      const figure = isMoney && known.length ? total : mean(known);
      // What is added up may cancel out, and then has the error of its parts.
      const size = isMoney ? known.reduce((sum, [v]) => sum + Math.abs(v), 0) : 0;
      check("ranking", near(line.ranking_value, figure, size), `${line.model_id} has the ranking figure ${line.ranking_value}; its snapshots give ${figure}`);
    }
    const sign = meta.ranking_direction === "asc" ? 1 : -1;
    const order = [...meta.ranking].sort((a, b) => sign * (a.ranking_value - b.ranking_value) || (a.model_id < b.model_id ? -1 : 1));
    if (rule.callables.LEADERBOARD_RANKER.path.startsWith("competitions.defaults:")) {
      meta.ranking.forEach((line, i) => check("ranking", line === order[i] && line.rank === i + 1, `${line.model_id} has the rank ${line.rank}; place ${i + 1} is ${order[i].model_id}'s by its figure`));
    } else leave("ranking", "the order is that of the operator's own ranker");
    check("emission", (await digest(raw.emission)) === made.emission, "the emission is not what the log has");
    const rewards = added(emission.cruncher_rewards.map((each) => [each.cruncher_index, each.reward_pct]));
    check("emission", !Object.keys(rewards).length || sumOf(rewards) === Number(WHOLE), `the shares sum to ${sumOf(rewards)}, not to ${WHOLE}`);
    if (meta.rule.strategy === "tiers" && meta.rule.ties === "by_id" && !rule.callables.build_emission) {
      const shares = tierShares(meta.ranking.length);
      const due = added(meta.ranking.map((line, i) => [line.cruncher_index, shares[i]]));
      check("emission", canonical(due) === canonical(rewards), `the strategy gives the shares ${canonical(due)}, not ${canonical(rewards)}`);
    } else leave("emission", `the strategy ${meta.rule.strategy} is not on this page; use coordinator verify`);
    const written = await rows("ledger.jsonl");
    const ledger = grouped(written.map(plain), (line) => line.kind);
    for (const kind of ledger.keys()) check("ledger", ["DUE", "ADJUSTMENT", "PAID"].includes(kind), `there is no line of the kind ${kind}`);
    const [due, moved, out] = ["DUE", "ADJUSTMENT", "PAID"].map((kind) => added((ledger.get(kind) ?? []).map((line) => [line.cruncher_index, line.amount])));
    const owed = Object.fromEntries(Object.entries(rewards).filter(([, n]) => n));
    check("ledger", canonical(due) === canonical(owed), "what is due is not the emission");
    check("ledger", sumOf(moved) === 0, "what was moved does not sum to 0");
    if (!ledger.has("ADJUSTMENT")) check("ledger", canonical(out) === (paid.status === "PAID" ? canonical(due) : "{}"), `what was paid is not what was due: it is ${paid.status}`);
    const steps = (log.ofKind.get("settlement") ?? []).filter((each) => each.checkpoint === made.checkpoint);
    const last = { status: "PENDING", tx_hash: null, submitted_at: null, ...(steps.at(-1) ?? made) };
    check("transaction", last.status === paid.status && last.tx_hash === paid.tx_hash, `it is ${paid.status} by ${paid.tx_hash}, and the log has ${last.status} by ${last.tx_hash}`);
    if (last.ledger) {
      check("ledger", (await digest(written)) === last.ledger, "its lines are not those of the log: an amount, a reason or an instant differs");
      const [had, known] = [[paid.created_at, paid.submitted_at], [made.created_at ?? paid.created_at, last.submitted_at]];
      check("transaction", same(had, known), `it was made and submitted at the instants ${had}, and the log has ${known}`);
    } else leave("ledger", "the log is older than its entries of what is owed");
    if (paid.status !== "PAID") leave("transaction", `it is ${paid.status}: it is not settled to its end`);
  };

  const verify = async (file, vkeys, report) => {
    const read = await unpack(file);
    const rows = async (name) => decoder.decode(await read(name)).split("\n").filter(Boolean).map((line) => JSON.parse(line));
    const told = plain((await rows("manifest.json"))[0]);
    if (told.format !== "crunchsite-bundle" || told.version !== 1) throw new Error("it is of another format or version");
    const log = await checkLog(rows, told, await read("leaves.bin"), vkeys.map(keyOf), report);
    const wanted = log.ofKind.get("checkpoint")?.[0].rules;
    const text = log.ofKind.get("rules")?.find((fact) => fact.digest === wanted)?.rules;
    const isThere = text !== undefined && hex(await sha(bytesOf(text))) === wanted;
    if (!report.check("rules", isThere, "the checkpoint or its rules are not in the log")) return told;
    const rule = plain(JSON.parse(text));
    const scored = await checkRounds(rows, told, log, rule, report);
    const contents = await checkSnapshots(rows, log, rule, scored, report);
    await checkPayout(rows, told, log, rule, contents, report);
    return told;
  };

  // --- The page
  class Report {
    steps = new Map();
    #step(name) {
      if (!this.steps.has(name)) this.steps.set(name, { count: 0, wrong: [], left: new Set() });
      return this.steps.get(name);
    }
    check = (name, holds, wrong) => {
      this.#step(name).count += 1;
      if (!holds) this.#step(name).wrong.push(wrong);
      return Boolean(holds);
    };
    leave = (name, why) => { this.#step(name).left.add(why); };
    get failed() { return [...this.steps].filter(([, { wrong }]) => wrong.length).map(([name]) => name); }
  }
  const place = (id) => document.getElementById(id);
  const say = (text, tone = "") => {
    const verdict = place("verdict");
    verdict.textContent = text;
    verdict.className = `verdict ${tone}`;
  };
  const cell = (text, tone, name = "td") => Object.assign(document.createElement(name), { textContent: text, className: tone });
  const show = (report) => {
    const lines = [...report.steps].map(([name, { count, wrong, left }]) => {
      const line = document.createElement("tr");
      const state = wrong.length ? ["Fails", "state failed"] : count ? ["Holds", "state scored"] : ["Not done", "state pending"];
      const words = document.createElement("td");
      words.className = "words";
      const told = [...wrong.slice(0, 5), ...(wrong.length > 5 ? [`and ${wrong.length - 5} more`] : [])];
      words.append(...told.map((text) => cell(text, "", "p")), ...[...left].slice(0, 3).map((text) => cell(`Not done: ${text}`, "note", "p")));
      const held = document.createElement("td");
      held.append(cell(state[0], state[1], "span"));
      line.append(cell(name, "", "th"), held, cell(count ? `${count - wrong.length} of ${count}` : "—", "n"), words);
      return line;
    });
    place("steps").tBodies[0].replaceChildren(...lines);
    place("steps").parentElement.hidden = !lines.length;
  };
  const run = async (open) => {
    const report = new Report();
    place("verify").disabled = true;
    show(report);
    say("Verifying…");
    try {
      if (!crypto.subtle) throw new Error("this browser verifies on https or localhost alone");
      const told = await verify(await open(), place("vkey").value.split(/\s+/).filter(Boolean), report);
      const what = `${told.checkpoint} of ${told.competition}, ${told.period_start} to ${told.period_end}`;
      if (report.failed.length) say(`${what}: does not follow: ${report.failed.join(", ")}.`, "bad");
      else say(`${what}: all that was done follows.`, "good");
    } catch (error) {
      say(`This cannot be verified: ${error.message}.`, "bad");
    }
    show(report);
    place("verify").disabled = false;
  };
  const newest = async () => {
    const answer = await fetch(place("verify").dataset.bundle);
    if (!answer.ok) throw new Error((await answer.text()).trim().replace(/\.$/, ""));
    return answer.blob();
  };
  place("verify").addEventListener("click", () => run(async () => place("bundle").files[0] ?? newest()));
})();
