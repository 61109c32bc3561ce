import os

from crunchsite.stack import log_files
from crunchsite.stack.log_files import PartLog


def follow(log, *chunks):
    """Write to a log as a part does, end, and wait until all of it is copied."""
    read, write = os.pipe()
    copying = log.follow(os.fdopen(read, "rb"))
    for chunk in chunks:
        os.write(write, chunk)
    os.close(write)
    copying.join()


def test_two_files_bound_what_a_part_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "LARGEST_BYTES", 1000)
    log = PartLog(tmp_path / "log" / "worker.log")
    for number in range(50):
        follow(log, b"%099d\n" % number)
        assert log.tail(1) == f"{number:099d}"
    files = sorted((tmp_path / "log").iterdir())
    assert [file.name for file in files] == ["worker.log", "worker.log.1"]
    assert sum(file.stat().st_size for file in files) < 2500


def test_a_part_writes_on_while_its_log_cannot_be_written(tmp_path):
    log = PartLog(tmp_path / "log" / "worker.log")
    log.path.parent.touch()  # a file where the folder should be
    follow(log, *[b"x" * 4096] * 64)  # more than a pipe holds
    log.path.parent.unlink()
    follow(log, b"later\n")
    assert log.tail() == "later"
