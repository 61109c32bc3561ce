// Verifies a bundle (docs/integrator/bundle.md) in the browser, with WebCrypto alone.
// Nothing is sent anywhere: the file stays here.
(() => {
  "use strict";
  const { bytesOf, decoder, hex, sha, plain, unpack, keyOf, checkLog, checkRounds, checkSnapshots, checkPayout } = globalThis.bundles;

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
  const ORDER = [
    "keys", "heads", "fork", "entries", "rules", "predictions", "order", "witnesses", "truth", "scores",
    "snapshots", "periods", "ranking", "emission", "ledger", "transaction",
  ];
  class Report {
    steps = new Map();
    #step(name) {
      if (!this.steps.has(name)) this.steps.set(name, { count: 0, wrong: [], left: new Set(), notes: new Set() });
      return this.steps.get(name);
    }
    check = (name, holds, wrong) => {
      this.#step(name).count += 1;
      if (!holds) this.#step(name).wrong.push(wrong);
      return Boolean(holds);
    };
    leave = (name, why) => { this.#step(name).left.add(why); };
    note = (name, what) => { this.#step(name).notes.add(what); };
    get failed() { return [...this.steps].filter(([, { wrong }]) => wrong.length).map(([name]) => name); }
  }
  const place = (id) => document.getElementById(id);
  const say = (text, tone = "") => {
    const verdict = place("verdict");
    verdict.textContent = text;
    verdict.className = `verdict ${tone}`;
  };
  const cell = (text, tone, name = "td") => Object.assign(document.createElement(name), { textContent: text, className: tone });
  const notDone = (left) => [...[...left].slice(0, 9), ...(left.size > 9 ? [`and ${left.size - 9} things more`] : [])];
  const show = (report) => {
    const lines = [...report.steps].sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b)).map(([name, { count, wrong, left, notes }]) => {
      const line = document.createElement("tr");
      const state = wrong.length ? ["Fails", "state failed"] : count ? ["Holds", "state scored"] : ["Not done", "state pending"];
      const words = document.createElement("td");
      words.className = "words";
      const told = [...wrong.slice(0, 5), ...(wrong.length > 5 ? [`and ${wrong.length - 5} more`] : [])];
      words.append(...told.map((text) => cell(text, "", "p")), ...[...notes].map((text) => cell(text, "note", "p")), ...notDone(left).map((text) => cell(`Not done: ${text}`, "note", "p")));
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
      // What browsers say of an algorithm that they lack means nothing to a reader.
      const isOld = error.name === "NotSupportedError";
      const why = isOld ? "this browser knows no Ed25519 signatures; a newer one does, or verify.py" : error.message;
      say(`This cannot be verified: ${why}.`, "bad");
    }
    show(report);
    place("verify").disabled = false;
  };
  const newest = async () => {
    const answer = await fetch(place("verify").dataset.bundle);
    if (answer.ok) return answer.blob();
    const isReason = answer.headers.get("Content-Type")?.startsWith("text/plain");
    const why = isReason ? await answer.text() : `the site answered ${answer.status}`;
    throw new Error(why.trim().replace(/\.$/, ""));
  };
  place("verify").addEventListener("click", () => run(async () => place("bundle").files[0] ?? newest()));
})();
