"""Read the logs of a site's parts: lines with their part and their instant."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from core.texts import readable

LONGEST_MESSAGE = 10_000
# 2026-03-02T12:00:00.123Z, 2026-03-02 12:00:00.123 UTC, with a comma, with an offset.
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?\s?(Z|UTC|[+-]\d\d:\d\d)?"
)
# 1234:M 02 Mar 2026 12:00:00.123
_VALKEY = re.compile(r"\d+:\w (\d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d+)")


@dataclass(frozen=True)
class LogLine:
    """A line of a part's log; one without an instant has that of the line before."""

    timestamp: datetime
    service: str
    message: str


def instant_of(text: str) -> datetime | None:
    """Return the instant at the beginning of a log's line, in UTC; None without one."""
    if found := _ISO.match(text.lstrip("[")):
        day, time, fraction, zone = found.groups()
        offset = "+00:00" if zone in (None, "Z", "UTC") else zone
        try:
            return datetime.fromisoformat(
                f"{day}T{time}.{(fraction or '0'):0<6}{offset}"
            ).astimezone(UTC)
        except ValueError:
            return None
    if found := _VALKEY.match(text):
        with suppress(ValueError):  # in this machine's zone
            naive = datetime.strptime(found[1], "%d %b %Y %H:%M:%S.%f")  # noqa: DTZ007
            return naive.astimezone(UTC)
    return None


def read_logs(
    folder: Path, *, tail: int, since: datetime | None = None
) -> list[LogLine]:
    """Return the last `tail` lines of each part, in the order of their instants."""
    lines: list[LogLine] = []
    for file in log_files(folder):
        part: deque[LogLine] = deque(maxlen=tail)
        for half in (file.with_name(f"{file.name}.1"), file):
            part.extend(_lines(folder, file, half))
        lines.extend(part)
    if since is not None:
        lines = [line for line in lines if line.timestamp >= since]
    return sorted(lines, key=lambda line: line.timestamp)


def log_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.log")) if folder.is_dir() else []


def _lines(folder: Path, file: Path, half: Path) -> Iterator[LogLine]:
    service = str(file.relative_to(folder).with_suffix(""))
    try:
        with half.open(encoding="utf-8", errors="replace") as log:
            at = datetime.fromtimestamp(half.stat().st_mtime, UTC)
            for raw in log:
                if text := readable(raw.rstrip("\n"), limit=LONGEST_MESSAGE):
                    at = instant_of(text) or at
                    yield LogLine(at, service, text)
    except OSError:  # it was moved or removed meanwhile
        return


@dataclass
class Follower:
    """What is written to the logs of a folder from now on, also to new ones."""

    folder: Path
    _read: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for file in log_files(self.folder):
            self._read[file] = _place(file)

    def new_lines(self) -> list[tuple[str, str]]:
        """Return part and text of each line that was ended since the last call."""
        return [
            (str(file.relative_to(self.folder).with_suffix("")), text)
            for file in log_files(self.folder)
            for text in self._of(file)
        ]

    def _of(self, file: Path) -> list[str]:
        inode, size = _place(file)
        before, start = self._read.get(file, (inode, 0))
        if inode != before or size < start:  # a new file at its place
            start = 0
        if size == start:
            return []
        try:
            with file.open("rb") as log:
                log.seek(start)
                data = log.read(size - start)
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read[file] = (inode, start + len(whole))
        text = whole.decode(errors="replace")
        return [readable(line, limit=LONGEST_MESSAGE) for line in text.splitlines()]


def _place(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_size


def follow(
    folder: Path,
    *,
    say: Callable[[str, str], None],
    wait: Callable[[], bool],
) -> None:
    """Say each new line, until `wait`, called after each look, returns that it ends."""
    follower = Follower(folder)
    while not wait():
        for service, text in follower.new_lines():
            say(service, text)
