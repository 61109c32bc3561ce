"""Reads the site: boards, rounds, scores, failures, receipts, payouts; submits models.

Results are rows that page by themselves: iterate them, or take `.frame()`, `.polars()`
or `.arrow()` where that library is installed.
"""

import heapq
from operator import itemgetter
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import requests

from . import config
from .credentials import key_of, require_key
from .problems import InvalidInput, Unreachable
from .rows import Row, Rows
from .site_requests import SiteRequests, json_of, row_of, rows_of

LARGEST_FILE = 4 * 2**30
NO_MODEL = "model_not_found"  # the site's code


class Client:
    """A client of the competition's site.

    `key`: the argument, else CRUNCH_<NAME>_KEY, else the credentials file; public reads
    need none. Raises NotAllowed, Refused, Unreachable or InvalidInput, each with the
    site's own words.
    """

    def __init__(self, url=None, key=None, session=None):
        self.url = config.site_url(url)
        self.key = key or key_of(self.url)
        if self.key:
            require_key(self.key)
        self._site = SiteRequests(self.url, self.key, session)

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
        return self._rows_of(model, "/api/v1/scores", since=since, until=until)

    def predictions(self, model, since=None, until=None, outcome=None):
        """Return a model's answers, the newest first."""
        return self._rows_of(
            model, "/api/v1/predictions", since=since, until=until, outcome=outcome
        )

    def failures(self, model, since=None, until=None):
        """Return the rounds in which a model failed or was absent, the newest first.

        `code` is what everybody sees; `reason` is the text for your own models.
        """

        def pages():
            both = [
                self.predictions(model, since, until, outcome)
                for outcome in ("FAILED", "ABSENT")
            ]
            newest = heapq.merge(*both, key=itemgetter("slot_at"), reverse=True)
            yield from ([row] for row in newest)

        return Rows(pages)

    def receipts(self, model, day):
        """Return the receipts of a model's answers of a day, the newest first."""
        path = f"/reports/models/{quote(model, safe='')}/receipts"

        def pages():
            url, asked, number = self.url + path, self._named({"day": str(day)}), 0
            while url:
                answer, number = self._site.get(url, asked), number + 1
                yield rows_of(json_of(answer), url)
                following = answer.links.get("next", {}).get("url")
                url, asked = self._site.next_of(following, url, number), {}

        return Rows(pages)

    def receipt_file(self, prediction_id):
        """Return the `.tlog-proof` of a prediction, as text."""
        url = f"{self.url}/reports/receipts/{int(prediction_id)}.tlog-proof"
        return self._site.get(url, self._named({})).text

    def payouts(self, model=None):
        """Return what models earned in each checkpoint, the newest first."""
        path = "/api/v1/rewards"
        return self._rows_of(model, path) if model else self._rows(path)

    def models(self):
        """Return the competition's models."""
        return self._rows("/api/v1/models")

    def export(self, model, folder):
        """Write a model's predictions and scores as CSV into a folder; return paths."""
        self._require_model(model)
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
        return json_of(self._site.get(self.url + path, _given(query)))

    def fetch(self, url, path, begin):
        """Append to a file what an address has from byte `begin` on."""
        url = url if "://" in url else self.url + url
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        answer = self._site.get(url, {}, headers=headers, stream=True)
        if answer.status_code == 416:
            return
        mode = "ab" if answer.status_code == 206 else "wb"
        left = LARGEST_FILE
        try:
            with open(path, mode) as file:
                for piece in answer.iter_content(2**16):
                    left -= len(piece)
                    if left < 0:
                        raise Unreachable(f"{url} has more than {LARGEST_FILE} bytes.")
                    file.write(piece)
        except requests.RequestException as error:
            raise Unreachable(f"{url} stopped in the middle: {error}.") from None

    def submit(self, content, name, message=""):
        """Submit a model's folder as a zip, with consent; return the site's answer.

        It has `id`, `version` and what is left of the `quota`. However often it is sent
        until an answer comes, the site takes it once.
        """
        answer = self._site.post(
            f"{self.url}/api/v1/submissions",
            once=str(uuid4()),
            data={"name": name, "message": message, "consent": "true"},
            files={"file": (f"{name}.zip", content)},
        )
        return Row(row_of(json_of(answer), answer.url))

    def submissions(self, model=None):
        """Return the key's own submissions, the newest first."""
        return self._rows("/api/v1/submissions", model_id=model)

    def submission(self, number):
        """Return a submission of the key's own, with what the site's check saw."""
        return self._row(f"/api/v1/submissions/{int(number)}")

    def quota(self):
        """Return how many submissions are left of the day, and when new ones come."""
        return self._row("/api/v1/submissions/quota")

    def model_log(self, model, cursor=None, of_round=None):
        """Return the part of a log at a cursor: `text`, `cursor`, `is_end`.

        `of_round` is a round's id: what the model printed while it was asked in it.
        """
        path = f"/api/v1/local-models/{quote(model, safe='')}/log"
        return self._row(path, cursor=cursor or None, round=of_round)

    def _row(self, path, **query):
        return Row(row_of(self.get(path, **query), self.url + path))

    def _rows(self, path, **query):
        def pages():
            url, asked, number = self.url + path, self._named(_given(query)), 0
            while url:
                page = row_of(json_of(self._site.get(url, asked)), url)
                number += 1
                yield rows_of(page.get("results"), url)
                url, asked = self._site.next_of(page.get("next"), url, number), {}

        return Rows(pages)

    def _rows_of(self, model, path, **query):
        """Return rows of one model; reading none raises InvalidInput if it is unknown."""

        def pages():
            found = 0
            for page in self._rows(path, model_id=model, **query)._pages():
                found += len(page)
                yield page
            if not found:
                self._require_model(model)

        return Rows(pages)

    def _require_model(self, model):
        address = f"{self.url}/api/v1/models/{quote(model, safe='')}"
        try:
            self._site.get(address, self._named({}))
        except InvalidInput as problem:
            if problem.code != NO_MODEL:
                raise
            raise InvalidInput(
                f"there is no model {model!r}; the column model_id of `board` has their "
                "names.",
                NO_MODEL,
            ) from None

    def _named(self, query):
        return {"competition": config.NAME, **query}


def _given(query):
    return {name: value for name, value in query.items() if value is not None}
