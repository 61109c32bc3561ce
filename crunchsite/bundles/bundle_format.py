"""Name the files of a bundle, and write and read them: exact JSON in one ZIP.

The same facts make the same bytes: no file of the archive has a time. What is read is
read a line at a time, within limits, and never written to a disk.
"""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from core.errors import OperatorError
from core.tlog.errors import LogFormatError
from core.tlog.exact import exact_json, parse_exact
from core.tlog.merkle import HASH_BYTES

FORMAT, VERSION = "crunchsite-bundle", 1
README, MANIFEST, HEADS = "README.txt", "manifest.json", "heads.jsonl"
LEAVES, ENTRIES, TAPE = "leaves.bin", "entries.jsonl", "tape.jsonl"
ROUNDS, SNAPSHOTS = "rounds.jsonl", "snapshots.jsonl"
CHECKPOINT, LEDGER = "checkpoint.json", "ledger.jsonl"
FILES = (
    *(README, MANIFEST, HEADS, LEAVES, ENTRIES),
    *(TAPE, ROUNDS, SNAPSHOTS, CHECKPOINT, LEDGER),
)
LONGEST_LINE = 16 * 2**20
LARGEST_BUNDLE = 4 * 2**30  # when it is unpacked
# Of its size when it is packed; hashes are not packed smaller.
MOST_TIMES, MOST_TIMES_OF_HASHES = 100, 2
_FIRST_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP can say
_READ = 2**16


class BundleError(OperatorError):
    """A file that is no bundle, or a damaged one."""

    code = "bundle_invalid"
    status = 400


class BundleWriter:
    """Write the files of a bundle one after the other, each in parts."""

    def __init__(self, out: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6)

    def write(self, name: str, parts: Iterable[bytes]) -> int:
        """Write a file; return how many parts it has."""
        count = 0
        info = zipfile.ZipInfo(name, _FIRST_TIME)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            for part in parts:
                file.write(part)
                count += 1
        return count

    def write_rows(self, name: str, rows: Iterable[Any]) -> int:
        """Write a file of one line of exact JSON for each row; return their number."""
        return self.write(name, (f"{exact_json(row)}\n".encode() for row in rows))

    def close(self) -> None:
        self._zip.close()


class BundleReader:
    """Read the files of a bundle; raises BundleError for all that is none."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zip = archive
        found = [info.filename for info in archive.infolist()]
        if sorted(found) != sorted(FILES):
            odd = sorted(set(found) ^ set(FILES)) or ["a file that is there twice"]
            raise BundleError(
                f"a bundle has {len(FILES)} files of fixed names; {odd[:3]} differ."
            )
        size = sum(info.file_size for info in archive.infolist())
        if size > LARGEST_BUNDLE:
            raise BundleError(f"it has {size} bytes; {LARGEST_BUNDLE} are the most.")
        for info in archive.infolist():
            most = MOST_TIMES_OF_HASHES if info.filename == LEAVES else MOST_TIMES
            if info.file_size > _READ + most * info.compress_size:
                raise BundleError(
                    f"{info.filename} is {info.file_size} bytes in {info.compress_size}"
                    f" packed ones; {most} times as many are the most."
                )

    def rows(self, name: str) -> Iterator[Any]:
        """Yield the rows of a file, as data."""
        for number, line in enumerate(self.lines(name), start=1):
            try:
                yield parse_exact(line.decode())
            except (LogFormatError, UnicodeDecodeError) as error:
                raise BundleError(f"{name}, line {number}: {error}.") from None

    def one(self, name: str) -> Any:
        """Return the one row of a file."""
        rows = list(self.rows(name))
        if len(rows) != 1:
            raise BundleError(f"{name} has {len(rows)} lines; it has one.")
        return rows[0]

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file, each with its end."""
        with self._opened(name) as file:
            while line := file.readline(LONGEST_LINE):
                if not line.endswith(b"\n"):
                    raise BundleError(f"{name} has a line that is too long or cut off.")
                yield line

    def hashes(self, name: str) -> Iterator[bytes]:
        """Yield the hashes of a file, 32 bytes each."""
        with self._opened(name) as file:
            while data := file.read(_READ):
                if len(data) % HASH_BYTES:
                    raise BundleError(f"{name} does not end with a whole hash.")
                for start in range(0, len(data), HASH_BYTES):
                    yield data[start : start + HASH_BYTES]

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._zip.open(name) as file:
                yield file
        except DAMAGES as error:
            raise BundleError(f"{name} is damaged: {error}.") from None


# What zipfile raises for archives that are damaged, encrypted or of an odd kind.
DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, RuntimeError),
)


@contextmanager
def opened_bundle(path: Path) -> Iterator[BundleReader]:
    """Open the bundle at a path; raises BundleError."""
    try:
        archive = zipfile.ZipFile(path)
    except (*DAMAGES, ValueError) as error:
        raise BundleError(f"{path} is no bundle: {error}.") from None
    with archive:
        yield BundleReader(archive)
