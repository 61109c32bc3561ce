"""Reads the site: boards, rounds, scores, failures, receipts, payouts.

Results are rows that page by themselves: iterate them, or take `.frame()`, `.polars()`
or `.arrow()` where that library is installed.
"""

import os
import time
from pathlib import Path
from urllib.parse import quote

import requests

from . import config
from .problems import InvalidInput, NotAllowed, Problem, Refused, Unreachable

RETRIES = 3
TIMEOUT_S = 30
# Seconds before the first and the second retry; a Retry-After of the site is longer.
PAUSES_S = (0.5, 2.0)
LONGEST_PAUSE_S = 30


class Row(dict):
    """A row of the site's, its columns as attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the row has no {name}; it has {', '.join(self)}")


class Rows:
    """Rows that are fetched page by page as they are read; can be read again."""

    def __init__(self, pages):
        self._pages = pages

    def __iter__(self):
        for page in self._pages():
            yield from map(Row, page)

    def first(self, count):
        """Return the first rows as a list, and fetch no more pages than they need."""
        found = []
        for row in self:
            if len(found) >= count:
                break
            found.append(row)
            if len(found) == count:
                break
        return found

    def frame(self):
        """Return a pandas DataFrame."""
        return _library("pandas").DataFrame(list(self))

    def polars(self):
        """Return a polars DataFrame."""
        return _library("polars").DataFrame([dict(row) for row in self])

    def arrow(self):
        """Return a pyarrow Table."""
        return _library("pyarrow").Table.from_pylist([dict(row) for row in self])


class Client:
    """A client of the competition's site.

    `key`: the argument, else CRUNCH_<NAME>_KEY, else the credentials file; public reads
    need none. Raises NotAllowed, Refused, Unreachable or InvalidInput, each with the
    site's own words.
    """

    def __init__(self, url=None, key=None, session=None):
        self.url = config.site_url(url)
        self.key = key or os.environ.get(key_variable()) or stored_key(self.url)
        self._session = session or requests.Session()

    def leaderboard(self, window=None, as_of=None):
        """Return the board's lines in order; of a kept board with `as_of`.

        With a window, each line has its figure as `score`.
        """
        rows = self._rows("/api/v1/leaderboard", as_of=as_of)
        if window is None:
            return rows

        def pages():
            for row in rows:
                metrics = row.get("metrics") or {}
                if window not in metrics:
                    raise InvalidInput(
                        f"the window was {window!r}; the board has "
                        f"{', '.join(sorted(metrics))}."
                    )
                yield [{**row, "score": metrics[window]}]

        return Rows(pages)

    def rounds(self, state=None, since=None, until=None):
        """Return rounds, the newest first; `state` is open or a status of the site's."""
        status = "RECEIVED" if state == "open" else state and state.upper()
        return self._rows("/api/v1/rounds", status=status, since=since, until=until)

    def scores(self, model, since=None, until=None):
        """Return a model's scores that count, the newest first."""
        return self._rows("/api/v1/scores", model_id=model, since=since, until=until)

    def predictions(self, model, since=None, until=None, outcome=None):
        """Return a model's answers, the newest first."""
        return self._rows(
            "/api/v1/predictions",
            model_id=model,
            since=since,
            until=until,
            outcome=outcome,
        )

    def failures(self, model, since=None, until=None):
        """Return the rounds in which a model failed or was absent, with the reason."""

        def pages():
            for outcome in ("FAILED", "ABSENT"):
                yield from self.predictions(model, since, until, outcome)._pages()

        return Rows(pages)

    def receipts(self, model, day):
        """Return the receipts of a model's answers of a day, the newest first."""
        path = f"/reports/models/{quote(model, safe='')}/receipts"

        def pages():
            url, asked = self.url + path, self._named({"day": str(day)})
            while url:
                answer = self._ask(url, asked)
                yield _json(answer)
                url, asked = answer.links.get("next", {}).get("url"), {}

        return Rows(pages)

    def receipt_file(self, prediction_id):
        """Return the `.tlog-proof` of a prediction, as text."""
        url = f"{self.url}/reports/receipts/{int(prediction_id)}.tlog-proof"
        return self._ask(url, self._named({})).text

    def payouts(self, model=None):
        """Return what models earned in each checkpoint, the newest first."""
        return self._rows("/api/v1/rewards", model_id=model)

    def models(self):
        """Return the competition's models."""
        return self._rows("/api/v1/models")

    def export(self, model, folder):
        """Write a model's predictions and scores as CSV into a folder; return paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name in ("predictions", "scores"):
            path = folder / f"{model}-{name}.csv"
            part = path.with_suffix(".part")
            part.unlink(missing_ok=True)
            query = requests.models.PreparedRequest()
            query.prepare_url(
                f"{self.url}/api/v1/{name}",
                self._named({"format": "csv", "model_id": model}),
            )
            self.fetch(query.url, part, 0)
            part.replace(path)
            paths.append(path)
        return paths

    def get(self, path, **query):
        """Return the JSON of an address of the site."""
        return _json(self._ask(self.url + path, _given(query)))

    def fetch(self, url, path, begin):
        """Append to a file what an address has from byte `begin` on."""
        url = url if "://" in url else self.url + url
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        answer = self._ask(url, {}, headers=headers, stream=True)
        if answer.status_code == 416:
            return
        mode = "ab" if answer.status_code == 206 else "wb"
        try:
            with open(path, mode) as file:
                for piece in answer.iter_content(2**16):
                    file.write(piece)
        except requests.RequestException as error:
            raise Unreachable(f"{url} stopped in the middle: {error}.") from None

    def _rows(self, path, **query):
        def pages():
            url, asked = self.url + path, self._named(_given(query))
            while url:
                page = _json(self._ask(url, asked))
                yield page["results"]
                url, asked = page["next"], {}

        return Rows(pages)

    def _named(self, query):
        return {"competition": config.NAME, **query}

    def _ask(self, url, query, headers=None, stream=False):
        headers = dict(headers or {})
        # The key goes to the site alone, wherever an answer's links lead.
        if self.key and url.startswith(self.url + "/"):
            headers["X-API-Key"] = self.key
        for attempt in range(RETRIES):
            is_last = attempt == RETRIES - 1
            try:
                answer = self._session.get(
                    url,
                    params=query,
                    headers=headers,
                    timeout=TIMEOUT_S,
                    stream=stream,
                )
            except requests.RequestException as error:
                if is_last:
                    raise Unreachable(
                        f"{url} gave no answer: {_cause(error)}."
                    ) from None
                time.sleep(PAUSES_S[attempt])
                continue
            if answer.status_code not in (429, 502, 503, 504) or is_last:
                return _checked(answer, url)
            time.sleep(_pause_s(answer, PAUSES_S[attempt]))
        raise AssertionError("the last attempt returns or raises")


def key_variable():
    """Return the variable of the environment that holds the key."""
    return f"CRUNCH_{config.NAME.upper().replace('-', '_')}_KEY"


def credentials_file():
    return Path.home() / ".config" / f"crunch-{config.NAME}" / "credentials"


def stored_key(url):
    """Return the key of the credentials file for a site; None without one."""
    try:
        lines = credentials_file().read_text("utf-8").splitlines()
    except OSError:
        return None
    found = dict(line.split(" ", 1) for line in lines if " " in line)
    return found.get(url)


def store_key(url, key):
    """Write the key into the credentials file, which only its owner can read."""
    path = credentials_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".draft")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{url} {key}\n")
    os.replace(draft, path)
    return path


def _json(answer):
    try:
        return answer.json()
    except ValueError:
        raise Unreachable(
            f"{answer.url} answered something that is no JSON; is it the site?"
        ) from None


def _given(query):
    return {name: value for name, value in query.items() if value is not None}


def _cause(error):
    """Return the innermost reason, without the layers around it."""
    while getattr(error, "args", None) and isinstance(error.args[0], Exception):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return str(reason if reason is not None else error)[:300]


def _pause_s(answer, least):
    try:
        return min(LONGEST_PAUSE_S, max(least, float(answer.headers["Retry-After"])))
    except (KeyError, ValueError):
        return least


def _checked(answer, url):
    """Return a good answer; raise the problem that another one says."""
    status = answer.status_code
    if status < 400 or status == 416:
        return answer
    said = _said(answer)
    if status in (401, 403):
        raise NotAllowed(f"{said} Set {key_variable()}, or run `login`.")
    if status in (409, 429):
        raise Refused(said)
    if status >= 500:
        raise Unreachable(f"{url} answered {status}: {said}")
    if 400 <= status < 500:
        raise InvalidInput(f"{url} answered {status}: {said}")
    raise Problem(said)


def _said(answer):
    try:
        found = answer.json()
    except ValueError:
        return f"it answered {answer.status_code}."
    if isinstance(found, dict):
        for name in ("detail", "message", "error"):
            if isinstance(found.get(name), str):
                return found[name]
    return str(found)[:300]


def _library(name):
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise InvalidInput(f"{name} is not installed; pip install {name}.") from None
