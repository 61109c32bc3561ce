"""Market data of past days: downloaded once, verified, and read without a connection.

`{cache}/{source}/{subject}/{kind}/{granularity}/YYYY-MM-DD.npz` holds one UTC day:
`opened_us`, and a column for each value. `index.json` beside them has their digests.
"""

import hashlib
import json
import os
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from uuid import uuid4

import numpy as np

from . import config
from .problems import InvalidInput, NoData, Unreachable

UTC = timezone.utc
INDEX = "index.json"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(kind, granularity):
    """Return the length of a record in seconds; 0 for ticks."""
    if kind != "candle":
        return 0
    return int(granularity[:-1]) * UNITS[granularity[-1]]


def instant(text):
    """Return an instant of UTC from YYYY-MM-DD[THH:MM:SS[Z]]; raises InvalidInput."""
    if isinstance(text, date) and not isinstance(text, datetime):
        return datetime(text.year, text.month, text.day, tzinfo=UTC)
    try:
        found = text
        if not isinstance(text, datetime):
            found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
        # Of another offset, too: the site's days are days of UTC.
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"the instant was {text!r}; write 2026-03-01 or 2026-03-01T12:00:00Z."
        ) from None


@dataclass(frozen=True)
class Series:
    """Closed records of a subject, oldest first: openings in seconds, and columns."""

    opened_s: np.ndarray
    closed_s: np.ndarray
    columns: dict

    @property
    def prices(self):
        return self.columns["close" if "close" in self.columns else "price"]

    def rows(self, first, last):
        """Return records as models see them: `ts` and the values."""
        names = ("ts", *self.columns)
        openings = self.opened_s[first:last].astype(np.int64).tolist()
        values = (column[first:last].tolist() for column in self.columns.values())
        return [dict(zip(names, row)) for row in zip(openings, *values)]


class BacktestClient:
    """Downloads days of market data and reads them from the cache.

    `url` and `cache` replace the package's own; `session` is a requests session.
    """

    def __init__(self, url=None, cache=None, session=None):
        self.url = config.site_url(url)
        self.cache = config.cache_folder(self.url, cache)
        self._session = session

    def pull(self, subject, since, until, refresh=False, progress=None):
        """Download the days of `[since, until)` that are not cached; return the files.

        Each file is verified against the site's digest before it takes its place, and
        a broken download goes on where it stopped. Raises Unreachable, NoData.
        """
        listed = self._listed(subject, since, until)
        if not listed:
            raise NoData(
                f"the site has no whole day of {subject} between {since:%Y-%m-%d} and "
                f"{until:%Y-%m-%d}: only days that are over are there. "
                "`data list` shows what it has."
            )
        folder = self._folder(subject)
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for done, entry in enumerate(listed, 1):
            path = folder / f"{entry['date']}.npz"
            if refresh or not _is_whole(path, entry["sha256"]):
                self._download(entry, path)
            known = self._index(folder)  # another run may have added to it
            known[entry["date"]] = {
                "sha256": entry["sha256"],
                "records": entry["records"],
            }
            _write(folder / INDEX, json.dumps(known, indent=1, sort_keys=True))
            files.append(path)
            if progress:
                progress(done, len(listed), path.name)
        return files

    def status(self, subject):
        """Return a row for each cached day: date, records, and whether it is whole."""
        folder = self._folder(subject)
        return [
            {
                "date": day,
                "records": entry["records"],
                "is_whole": _is_whole(folder / f"{day}.npz", entry["sha256"]),
            }
            for day, entry in sorted(self._index(folder).items())
        ]

    def listing(self, subject, since, until):
        """Return what the site has for a range of days."""
        return self._listed(subject, since, until)

    def lacks(self, subject, since, until):
        """Return whether a day of `[since, until)` is not cached."""
        folder = self._folder(subject)
        return not all((folder / f"{day}.npz").exists() for day in _days(since, until))

    def has_any(self, subject, since, until):
        """Return whether some day of `[since, until)` is cached."""
        folder = self._folder(subject)
        return any((folder / f"{day}.npz").exists() for day in _days(since, until))

    def load(self, subject, since, until):
        """Return the cached records that open in `[since, until)`, as a Series.

        Raises NoData when there is none, InvalidInput for a file that is broken.
        """
        folder = self._folder(subject)
        known = self._index(folder)
        length_s = seconds_of(*config.feed()[1:])
        parts = []
        for name in _days(since, until):
            path = folder / f"{name}.npz"
            if path.exists():
                digest = known.get(name, {}).get("sha256")
                parts.append(_read(path, digest))
        if not parts:
            raise NoData(
                f"there is no data of {subject} from {since:%Y-%m-%d} to "
                f"{until:%Y-%m-%d} in {folder}; run `data pull`."
            )
        opened_us = np.concatenate([part.pop("opened_us") for part in parts])
        inside = (opened_us >= since.timestamp() * 1e6) & (
            opened_us < until.timestamp() * 1e6
        )
        opened_s = opened_us[inside] / 1e6
        # A day may have more than another, where another source has served it.
        columns = {
            name: np.concatenate([part[name] for part in parts])[inside]
            for name in parts[0]
            if all(name in part for part in parts)
        }
        return Series(opened_s, opened_s + length_s, columns)

    def _folder(self, subject):
        source, kind, granularity = config.feed()
        parts = (source, subject, kind, granularity)
        if any(not part or "/" in part or part.startswith(".") for part in parts):
            raise InvalidInput(f"the feed was {'/'.join(parts)}; that is no feed.")
        return self.cache.joinpath(*parts)

    def _index(self, folder):
        try:
            return json.loads((folder / INDEX).read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            return {}  # it is written anew with the next download

    def _listed(self, subject, since, until):
        from .client import Client
        from .site_requests import rows_of

        source, kind, granularity = config.feed()
        days = _days(since, until)
        if not days:
            raise InvalidInput(f"the range was [{since}, {until}); it must not be empty.")
        found = Client(url=self.url, session=self._session).get(
            "/data/days/index",
            source=source,
            subject=subject,
            kind=kind,
            granularity=granularity,
            since=days[0],
            until=days[-1],  # the last day, which the site includes
        )
        for entry in rows_of(found, f"{self.url}/data/days/index"):
            _check_entry(entry)
        return found

    def _download(self, entry, path):
        """Fetch a file into its place; a part that is there is continued.

        It has a name of its own meanwhile: another run may download the day, too.
        """
        from .client import Client

        part, own = path.with_suffix(".part"), path.with_suffix(f".{uuid4().hex}")
        client = Client(url=self.url, session=self._session)
        with suppress(OSError):
            os.replace(part, own)
        try:
            for attempt in (1, 2):
                begin = own.stat().st_size if own.exists() else 0
                client.fetch(entry["url"], own, begin)
                if _digest(own) == entry["sha256"]:
                    os.replace(own, path)
                    return
                own.unlink()  # a part of another version: once more, from the start
        finally:
            with suppress(OSError):
                os.replace(own, part)
        raise Unreachable(
            f"{path.name} came twice with another digest than the site lists; "
            "try again later."
        )


def _days(since, until):
    """Return the days that `[since, until)` touches, as YYYY-MM-DD."""
    last = (until - timedelta(microseconds=1)).date()
    count = (last - since.date()).days + 1
    return [(since.date() + timedelta(days=n)).isoformat() for n in range(count)]


def _check_entry(entry):
    """Raise Unreachable for a day that cannot be one; its date names a file."""
    try:
        is_date = date.fromisoformat(entry["date"]).isoformat() == entry["date"]
        texts = (entry["sha256"], entry["url"])
        is_right = is_date and all(isinstance(text, str) for text in texts)
        is_right &= isinstance(entry["records"], int)
    except (KeyError, TypeError, ValueError):
        is_right = False
    if not is_right:
        raise Unreachable(f"the site lists {str(entry)[:200]}, which is no day.")


def _is_whole(path, sha256):
    return path.exists() and _digest(path) == sha256


def _digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path, sha256):
    if sha256 is not None and _digest(path) != sha256:
        raise InvalidInput(
            f"{path} is broken: it differs from its digest; pull it again."
        )
    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise InvalidInput(f"{path} is no file of market data; pull it again.") from None


def _write(path, text):
    draft = path.with_suffix(f".{uuid4().hex}")
    draft.write_text(text, "utf-8")
    os.replace(draft, path)


