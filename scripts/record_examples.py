"""Record what a running demo answers, as the examples of the schema.

    VAR_DIR=var/examples CLOCK_START=2026-03-02T11:30:00Z CLOCK_SPEED=15 make up
    VAR_DIR=var/examples manage.py key create examples --scope admin
    .venv/bin/python -m scripts.record_examples http://localhost:8000 THE_KEY

Each GET of the committed schema is asked once; of a list the first row is kept. An
address that has nothing to show keeps the example it has, and is named. The schema is
made from the committed record alone, so it changes only when that is made again.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "docs" / "integrator" / "openapi.json"
EXAMPLES = ROOT / "crunchsite" / "openapi_examples.json"
PATIENCE_S = 30
MOST_ROWS, MOST_KEYS, LONGEST = 2, 12, 300

# Where the values of an address or a needed parameter come from: a list, and a key.
NAMES = {
    "slug": ("/api/v1/competitions", "slug"),
    "model_id": ("/reports/models", "model_id"),
    "checkpoint_id": ("/reports/checkpoints", "id"),
    "job_id": ("/reports/backfill/jobs", "id"),
    "version": ("/livepool/releases", "version"),
    "feed": ("/api/v1/feeds", "feed"),
    "cycle_id": ("/reports/merkle/cycles", "id"),
    "snapshot_id": ("/reports/snapshots", "id"),
    "webhook_id": ("/api/v1/webhooks", "id"),
    "since": ("/api/v1/snapshots", "period_start"),
}
PLACE = re.compile(r"file:///\S*?/var/")  # where this machine keeps the demo
MORE = {"total_prize": 1_000_000}


class Demo:
    """A running site, asked with a key; a list's first row is looked up once."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.session = url.rstrip("/"), requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"
        self._first: dict[str, Any] = {}

    def answer(self, path: str, query: dict[str, Any] | None = None) -> Any:
        """Return the JSON of an answer; None of a refusal or of another kind."""
        answer = self.session.get(self.url + path, params=query, timeout=PATIENCE_S)
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return answer.json() if answer.ok and is_json else None

    def first(self, path: str, key: str) -> Any:
        """Return a key of the first row of a list; None of an empty list."""
        if path not in self._first:
            rows = rows_of(self.answer(path))
            self._first[path] = rows[0] if rows else {}
        return self._first[path].get(key)


def rows_of(body: Any) -> list[Any]:
    """Return the rows of a list's answer, whatever is around them."""
    if isinstance(body, dict):
        body = next((v for v in body.values() if isinstance(v, list)), [])
    return body or []


def asked(demo: Demo, path: str, parameters: list[dict[str, Any]]) -> Any:
    """Ask an address with values for its parts; None where one has no value."""
    query: dict[str, Any] = {}
    for parameter in parameters:
        name = parameter["name"]
        of, key = NAMES.get(name, (path.partition("/{")[0], "id"))
        if parameter["in"] == "path":
            value = demo.first(of, key)
            if value is None:
                return None
            path = path.replace(f"{{{name}}}", str(value))
        elif parameter.get("required"):
            query[name] = demo.first(of, key)
        elif name in MORE:
            query[name] = MORE[name]
    return demo.answer(path, query)


def shown(value: Any, name: str = "") -> Any:
    """Return a part of an answer as an example shows it: short, measures rounded."""
    if isinstance(value, dict):
        kept = list(value.items())[:MOST_KEYS] if len(value) > 2 * MOST_KEYS else None
        return {key: shown(each, key) for key, each in kept or value.items()}
    if isinstance(value, list):
        return [shown(each, name) for each in value[:MOST_ROWS]]
    if isinstance(value, str):
        return PLACE.sub("file:///srv/crunchsite/var/", value)[:LONGEST]
    if isinstance(value, int | float) and not isinstance(value, bool):
        is_measured = name.endswith(("_us", "_ms"))
        return round(value, -3) if is_measured and abs(value) >= 1000 else value
    return value


def example_of(body: Any) -> Any:
    """Return an answer's example: of a list the first row, of a page one row of it."""
    if isinstance(body, list):
        return shown(body[0]) if body else None
    if isinstance(body, dict) and isinstance(body.get("results"), list):
        rows = body["results"][:1]
        return {"results": shown(rows), "next": None} if rows else None
    return shown(body) if body else None


def main(url: str, key: str) -> int:
    """Record, and name the addresses whose examples stay as they are."""
    demo = Demo(url, key)
    found = json.loads(EXAMPLES.read_text())
    kept = []
    for path, operations in json.loads(SCHEMA.read_text())["paths"].items():
        operation = operations.get("get")
        content = operation and operation["responses"]["200"].get("content", {})
        if not content or "application/json" not in content:
            continue
        example = example_of(asked(demo, path, operation.get("parameters", [])))
        if example is None:
            kept.append(path)
        else:
            found[f"GET {path}"] = example
    EXAMPLES.write_text(
        json.dumps(dict(sorted(found.items())), indent=1, ensure_ascii=False) + "\n"
    )
    sys.stdout.write("\n  ".join(["kept:", *(kept or ["none"])]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
