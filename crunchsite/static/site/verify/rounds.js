// Checks the rounds of a bundle: answers, their order, truths, scores.
(() => {
  "use strict";
  const { bytesOf, hex, sha, fromHex, leaf, same, micros, plain, canonical, treeOf, scorerOf, checkScore } = globalThis.bundles;
  const FEED = ["source", "subject", "kind", "granularity"];
  // What makes a truth and a score; the rest of the rules may change within a period.
  const MAKERS = ["GROUND_TRUTH_RESOLVER", "resolve_ground_truth", "SCORING_FUNCTION", "scoring_function", "batch_scoring_function"];

  const before = (closed, instant) => {
    let [low, high] = [0, closed.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (closed[middle] <= instant) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };
  const checkRounds = async (rows, told, log, rule, report) => {
    const { check, leave, note } = report;
    const { port, why } = scorerOf(rule);
    if (port) note("scores", `Made again by ${port.file} of the SHA-256 ${rule.callables.SCORING_FUNCTION.source}, as this page has it in JavaScript`);
    else leave("scores", why);
    const isTape = !rule.callables.resolve_ground_truth && rule.callables.GROUND_TRUTH_RESOLVER.path.startsWith("competitions.defaults:");
    const feeds = told.feeds.map((feed) => ({ name: FEED.map((k) => feed[k]).join(), closed: [], prices: [] }));
    for (const row of (await rows("tape.jsonl")).map(plain)) {
      feeds[row.feed].closed.push(micros(row.closed_at));
      feeds[row.feed].prices.push(row.price);
    }
    for (const { name, closed } of feeds) {
      if (!closed.every((at, i) => !i || at > closed[i - 1])) check("truth", false, `the tape of ${name} is out of order, or has an instant twice`);
    }
    const scored = new Map();
    const rules = new Map();
    for (const fact of log.ofKind.get("rules") ?? []) rules.set(hex(await sha(bytesOf(fact.rules))), plain(JSON.parse(fact.rules)));
    leave("truth", "that records are those of their source, and when truths were stored, is the site's word");
    const seen = new Set();
    let late = 0;
    const rounds = await rows("rounds.jsonl");
    for (const row of rounds.map(plain)) {
      const [name, entry] = [`round ${row.round}`, log.entries.get(row.index)];
      if (!check("predictions", entry?.kind === "round" && entry.round === row.round, `${name} has no entry in the log`)) continue;
      check("predictions", told.of !== null || row.answers.every((a) => !a.hash), `${name} has answers that are not shown, and the bundle is no part`);
      check("predictions", !seen.has(row.round) && row.scope_key === entry.scope_key, `${name} is there twice, or of another scope than the log's`);
      seen.add(row.round);
      const models = row.answers.filter((a) => !a.hash).map((a) => a.model);
      check("predictions", new Set(models).size === models.length, `${name}: a model has two answers`);
      const hashes = [];
      for (const a of row.answers) hashes.push(a.hash ? fromHex(a.hash) : await leaf(fromHex(a.nonce), bytesOf(a.answer)));
      check("predictions", hashes.length === entry.answers, `${name}: ${hashes.length} answers are here, ${entry.answers} in the log`);
      check("predictions", (await treeOf(hashes)) === entry.root, `${name}: its answers are not those of the log`);
      const due = entry.resolvable_at ?? row.resolvable_at;
      check("predictions", row.asked_at === entry.asked_at && row.resolvable_at === due, `${name}: its instants are not the log's`);
      const ends = [micros(row.asked_at), micros(due)];
      const first = log.signedAt.find(([size]) => size > row.index);
      if (ends[0] < ends[1]) check("order", first && first[1] <= ends[1], `${name}: no head that covers it was signed before its truth could be known`);
      const isCosigned = log.cosigned.some(([size, at]) => size > row.index && at <= ends[1]);
      if (isCosigned) check("witnesses", true);
      late += !isCosigned;
      const origin = row.provenance ?? {};
      const used = rules.get(entry.rules)?.callables ?? {};
      const isAlike = MAKERS.every((each) => canonical(used[each] ?? null) === canonical(rule.callables[each] ?? null));
      if (port && !isAlike) leave("scores", "of rounds that were asked while another scorer held");
      const feed = feeds.find((each) => each.name === FEED.map((k) => origin[k]).join());
      if (origin.from === "tape" && feed) {
        const own = ["source", "kind", "granularity"].filter((k) => origin[k] !== rules.get(entry.rules)?.[`feed_${k}`]);
        check("truth", !own.length, `${name}: its truth is from the feed ${feed.name}, which the rules do not have`);
        if (entry.subject) check("truth", origin.subject === entry.subject, `${name}: its truth is of ${origin.subject}, and its models were asked about ${entry.subject}`);
        else leave("truth", "that rounds whose entry names no subject are of theirs");
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
        const isAnswered = said.outcome === "ANSWERED";
        if (!isAnswered && (port || a.score)) check("scores", !a.score, `${name}: ${a.model} gave no answer and has a score`);
        if (isAnswered && port && isAlike) checkScore(port, name, a, plain(said.output), row.truth, report);
        if (!scored.has(a.model)) scored.set(a.model, []);
        scored.get(a.model).push([micros(row.resolved_at), a.score?.success ? a.score.value : null]);
      }
    }
    const logged = (log.ofKind.get("round") ?? []).map((entry) => entry.round);
    check("predictions", logged.length === seen.size && logged.every((round) => seen.has(round)), `entries are of the rounds ${logged}, rows of ${[...seen]}`);
    if (late) leave("witnesses", `${late} of ${rounds.length} rounds were not cosigned before their truth: there the site's own clock tells when`);
    return scored;
  };

  Object.assign(globalThis.bundles, { checkRounds });
})();
