// What the scorers of the shipped packs answer, written again in JavaScript.
//
// A scorer is a Python file, which the rules in the log name by its SHA-256. Each port
// stands under the digest of the file whose meaning it has, so it never speaks for a
// file that was changed. IEEE doubles and the order of the operations are the same in
// both languages, so results are equal to the last bit.
(() => {
  "use strict";
  const failed = (reason) => ({ success: false, failed_reason: reason });
  const scored = (value, truth) => ({ value, actual_return: truth.actual_return });
  const LARGEST = 1e100; // of what is a score
  const isNumber = (x) => typeof x === "number";
  const NO_RETURN = "the truth has no return";

  // Eleven ten-thousandths of a size (fee and spread), exact before it is rounded once.
  const costOf = (size) => {
    const [digits, power = "0"] = String(Math.abs(size)).split("e");
    const [whole, fraction = ""] = digits.split(".");
    return Number(`${BigInt(whole + fraction) * 11n}e${Number(power) - fraction.length - 4}`);
  };

  // By SHA-256: the file, its function, and what it answers to an output and a truth.
  // Where `config` is given, the file rests on others, and the contract must be this.
  const PORTS = {
    "823a1fc29ff79f59c7eb498b64182b028050ec153fec20b29b8b1443530d4db8": {
      file: "competitions/shared/score_rule.py",
      name: "scoring_function",
      score: (output, truth) => (truth.actual_return === null ? failed(NO_RETURN) : scored(output.value * truth.actual_return * 10_000, truth)),
    },
    "d3030dd7d0d5d6513e3179132990eac0d492caeece2905ed6321ddef7be85025": {
      file: "competitions/trading/order_scores.py",
      name: "order_scorer.<locals>.score_order",
      config: "competitions.packs.trading.trading_contract:",
      score: (output, truth) => (truth.actual_return === null ? failed(NO_RETURN) : scored(output.value * truth.actual_return - costOf(output.value), truth)),
    },
    "f52c9a0c02e4b1ca1104ea89124feafc61caa9c6de20428f1c11b935070b7dd3": {
      file: "templates/workspace/challenge/package/scoring.py",
      name: "score_prediction",
      score: (output, truth) => {
        if (truth.actual_return === null) return failed(NO_RETURN);
        return { value: Math.max(-1, Math.min(1, output.value)) * truth.actual_return * 10_000 };
      },
    },
    "057716ef663b73c6a25549a05d8a25126a6ae51f91b0345901899a91340857d1": {
      file: "competitions/packs/trading/workspace/challenge/package/scoring.py",
      name: "score_prediction",
      score: (output, truth) => {
        if (truth.actual_return === null) return failed(NO_RETURN);
        return { value: output.value * truth.actual_return - 0.0011 * Math.abs(output.value) };
      },
    },
  };

  // Returns the port of the scorer that rules name, or why there is none.
  const scorerOf = (rule) => {
    const used = rule.callables.SCORING_FUNCTION;
    const own = used.path.startsWith("contract:") ? rule.callables.scoring_function : used;
    const port = PORTS[used.source];
    const isIt = port && !rule.callables.batch_scoring_function && rule.aggregation.value_field === "value" && own?.path.split(":")[1] === port.name && (rule.config_path ?? "").startsWith(port.config ?? "");
    if (isIt) return { port };
    return { why: `the scorer of the SHA-256 ${used.source} is not on this page: verify.py and coordinator verify run it` };
  };

  // Compares the score of an answer with the one that the port gives.
  const checkScore = (port, name, answer, output, truth, { check, leave }) => {
    const moved = truth.actual_return ?? truth.return ?? null;
    const isScorable = isNumber(output.value) && (moved === null || isNumber(moved));
    const again = isScorable ? port.score(output, { actual_return: moved }) : null;
    if (!again || Math.abs(again.value) > LARGEST) {
      leave("scores", "of answers or truths that are no numbers, or too large ones");
      return;
    }
    const had = answer.score ?? {};
    const isSame = again.success === false
      ? had.success === false && had.failed_reason === again.failed_reason
      : had.success === true && had.value === again.value && Object.entries(again).every(([key, value]) => had.result?.[key] === value);
    check("scores", isSame, `${name}: the score of ${answer.model} is ${had.value} by ${JSON.stringify(had.result)}, and its answer is worth ${JSON.stringify(again)}`);
    const more = Object.entries(had.result ?? {}).filter(([key, value]) => value !== null && key !== "success" && !(key in again));
    for (const [key] of more) leave("scores", `the field ${key} of results, which the scorer does not give`);
  };

  Object.assign(globalThis.bundles, { PORTS, scorerOf, checkScore });
})();
