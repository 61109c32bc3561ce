// Checks what the scores add up to: snapshots, ranking, emission, ledger.
(() => {
  "use strict";
  const { hex, fromHex, leaf, node, same, near, mean, grouped, micros, plain, canonical, digest, treeOf } = globalThis.bundles;
  const WHOLE = 1_000_000_000n;
  const TIERS = [35n, 10n, 10n, 10n, 10n, 5n, 5n, 5n, 5n, 5n];
  // Of a trading account in a period: what was gained, spent or done, and how it stood.
  const AMOUNTS = ["net_pnl", "realized_pnl", "fees", "carry", "traded", "trades", "wins"];
  const LEVELS = ["unrealized_pnl", "exposure", "equity", "open_positions"];
  // Of all rounds of a period, and no sum of its snapshots.
  const IN_PARTS = ["max_drawdown", "sortino_ratio", "ic_sharpe", "turnover"];

  const checkSnapshots = async (rows, log, rule, scored, { check, leave }) => {
    const field = rule.aggregation.value_field;
    const periods = new Map((log.ofKind.get("period") ?? []).map((entry) => [entry.period_start, entry]));
    const [hashes, contents] = [[], new Map()];
    const seen = new Set();
    for (const row of await rows("snapshots.jsonl")) {
      const isLogged = periods.get(row.period_start)?.revision === plain(row.revision);
      check("periods", isLogged, `a snapshot is of the period from ${row.period_start}, revision ${plain(row.revision)}, which is not in the log`);
      hashes.push([row.period_start, row.content ? await digest(row.content) : row.hash]);
      if (!row.content || row.is_virtual) continue;
      const content = plain(row.content);
      const place = JSON.stringify([content.model_id, row.period_start]);
      if (seen.has(place) || content.period_start !== row.period_start) check("snapshots", false, `the snapshot of ${content.model_id} from ${row.period_start} is there twice, or says another period`);
      seen.add(place);
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
    const spans = [...periods.values()].map((entry) => [micros(entry.period_start), micros(entry.period_end)]);
    for (const [model, all] of scored) {
      const odd = all.filter(([at]) => !spans.some(([since, until]) => since <= at && at < until)).length;
      check("snapshots", !odd, `${model} has ${odd} scores at instants of no period`);
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

  // What a bundle cannot show of who is paid.
  const leaveTold = (told, log, made, meta, { check, leave }) => {
    leave("ranking", "that the index of each model is its cruncher's is the site's word");
    leave("ranking", "that no round was left out, and how many were due without a truth, is told");
    if (meta.unpaid.length) leave("ranking", "why some are not paid is what the checkpoint says");
    const rounds = log.ofKind.get("round") ?? [];
    const others = rounds.filter((entry) => entry.rules !== made.rules).length;
    if (others) leave("rules", `${others} of ${rounds.length} rounds were asked while other rules held than those by which they are ranked and paid`);
    const spanOf = (said) => [micros(said.period_start), micros(said.period_end)];
    const named = new Map((log.ofKind.get("period") ?? []).map((each) => [`${each.period_start} ${each.period_end}`, spanOf(each)]));
    const spans = [...named.values()].sort(([a], [b]) => a - b);
    const [since, until] = spanOf(told);
    const edges = [since, ...spans.flat(), until];
    if (edges.some((at, i) => at < edges[i - 1])) check("periods", false, "periods overlap, or are not of the checkpoint's time");
    const known = spans.reduce((sum, [start, end]) => sum + end - start, 0);
    if (known !== until - since) leave("periods", "they are not all of the checkpoint's time; that the log has no other period of it is not seen here");
    leave("transaction", "a later settlement would not be in the bundle");
  };

  // By which rule shares are made, and who gets what crunchers do not.
  const checkShares = (used, emission, rule, { check, leave }) => {
    if (rule.rule) check("emission", canonical(used) === canonical(rule.rule), `the shares are made by ${canonical(used)}, and the rules have ${canonical(rule.rule)}`);
    else leave("emission", "the log has no rule by which shares are made, but the checkpoint's");
    const isOwn = used.strategy.includes(":") || rule.callables.build_emission;
    const named = [["crunch", emission.crunch, rule.crunch_pubkey]];
    for (const each of ["compute_provider", "data_provider"]) {
      named.push([each, emission[`${each}_rewards`], rule[each] && [{ provider: rule[each], reward_pct: Number(WHOLE) }]]);
    }
    for (const [name, given, known] of named) {
      if (known && !isOwn) check("emission", canonical(given) === canonical(known), `${name} gets ${canonical(given)}, and the rules have ${canonical(known)}`);
      else if (given.length) leave("emission", `${name} is named by no setting in the rules`);
    }
  };

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
    for (const [name, known] of [["ranking_direction", rule.aggregation.ranking_direction], ["min_paid_coverage", rule.min_paid_coverage]]) {
      check("ranking", meta[name] === known, `${name} is ${meta[name]}, and the rules have ${known}`);
    }
    leaveTold(told, log, made, meta, { check, leave });
    checkShares(meta.rule, emission, rule, { check, leave });
    check("ranking", new Set(lines.map((line) => line.model_id)).size === lines.length, "a model is there twice");
    for (const model of contents.keys()) check("ranking", lines.some((line) => line.model_id === model), `${model} has snapshots and is not in the checkpoint: it was dropped`);
    const key = rule.aggregation.ranking_key in rule.aggregation.windows ? rule.aggregation.value_field : rule.aggregation.ranking_key;
    const isMoney = rule.trades && (key === rule.aggregation.value_field || AMOUNTS.includes(key));
    const isLevel = rule.trades && LEVELS.includes(key);
    for (const line of lines) {
      const own = contents.get(line.model_id) ?? [];
      if (told.of !== null && !own.length) { leave("ranking", "figures of other crunchers, of whom the bundle has no snapshots"); continue; }
      const scores = own.reduce((sum, each) => sum + each.prediction_count, 0);
      check("ranking", line.prediction_count === scores, `${line.model_id} counts ${line.prediction_count} scores, its snapshots ${scores}`);
      check("ranking", own.length || !("rank" in line), `${line.model_id} has no snapshot in the period, and is paid`);
      if (IN_PARTS.includes(key) || !rule.callables.MODEL_SCORE_AGGREGATOR.path.startsWith("competitions.defaults:")) { leave("ranking", `${key} of a period does not follow from its snapshots`); continue; }
      const known = own.filter((each) => each.result_summary[key] != null).map((each) => [each.result_summary[key], isLevel ? 1 : each.prediction_count]);
      const total = known.reduce((sum, [v]) => sum + v, 0);
      const figure = isMoney && known.length ? total : mean(known);
      // What is added up may cancel out, and then has the error of its parts.
      const size = isMoney ? known.reduce((sum, [v]) => sum + Math.abs(v), 0) : 0;
      check("ranking", near(line.ranking_value, figure, size), `${line.model_id} has the ranking figure ${line.ranking_value}; its snapshots give ${figure}`);
    }
    for (const line of meta.ranking) check("ranking", line.prediction_count >= meta.min_paid_coverage * meta.rounds_asked * (1 - 1e-12), `${line.model_id} is paid for too few rounds`);
    const sign = meta.ranking_direction === "asc" ? 1 : -1;
    const order = [...meta.ranking].sort((a, b) => sign * (a.ranking_value - b.ranking_value) || (a.model_id < b.model_id ? -1 : 1));
    if (rule.callables.LEADERBOARD_RANKER.path.startsWith("competitions.defaults:")) {
      meta.ranking.forEach((line, i) => check("ranking", line === order[i] && line.rank === i + 1, `${line.model_id} has the rank ${line.rank}; place ${i + 1} is ${order[i].model_id}'s by its figure`));
    } else leave("ranking", "the order is that of the operator's own ranker");
    const isTight = order.some((line, i) => i && line.ranking_value !== order[i - 1].ranking_value && near(line.ranking_value, order[i - 1].ranking_value));
    if (isTight) leave("ranking", "places of figures that differ in their last digits alone");
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

  Object.assign(globalThis.bundles, { checkSnapshots, checkPayout });
})();
