"""`coordinator logs` and `logs-capture`: lines of all parts, in the order of time."""

import json
from datetime import UTC, datetime

import pytest

from crunchsite.coordinator.log_reading import Follower, follow, instant_of, read_logs

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def logs(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    folder = tmp_path / "log"
    (folder / "models").mkdir(parents=True)
    (folder / "web.log").write_text(
        "2026-03-02T12:00:01Z [info ] first\n  a second line of it\n"
        "2026-03-02T12:00:05Z [info ] last\n"
    )
    (folder / "worker.log.1").write_text("2026-03-02T12:00:00Z older\n")
    (folder / "worker.log").write_text("2026-03-02T12:00:03Z newer\n")
    (folder / "models" / "one.log").write_text("2026-03-02 12:00:02,500 model\n")
    return folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T12:00:00Z x", NOON),
        ("2026-03-02T12:00:00.000000Z [info ] x", NOON),
        ("2026-03-02 12:00:00.000 UTC [12] LOG: x", NOON),
        ("[2026-03-02 12:00:00,000: INFO] x", NOON),
        ("2026-03-02T14:00:00+02:00 x", NOON),
        ("2026-13-02T12:00:00Z x", None),
        ("no instant", None),
        ("", None),
    ],
)
def test_the_instant_of_a_line(text, expected):
    assert instant_of(text) == expected


def test_the_lines_of_all_parts_are_shown_in_order(logs, coordinator, capsys):
    assert coordinator("logs") == 0
    found = [line.partition("|") for line in capsys.readouterr().out.splitlines()]
    assert [(service.strip(), text.split()[-1]) for service, _, text in found] == [
        ("worker", "older"),
        ("web", "first"),
        ("web", "it"),
        ("models/one", "model"),
        ("worker", "newer"),
        ("web", "last"),
    ]


def test_since_and_tail_leave_lines_out(logs, coordinator, capsys):
    assert coordinator("logs", "--since", "2026-03-02T12:00:03Z") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert coordinator("logs", "--since", "10m") == 0
    assert capsys.readouterr().out == ""
    assert coordinator("logs", "--tail", "1") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("since", ["soon", "10", "10y", ""])
def test_a_since_that_is_none_is_exit_code_2(logs, coordinator, since):
    assert coordinator("logs", "--since", since) == 2


def test_without_logs_a_note_says_where_they_would_be(
    settings, tmp_path, coordinator, capsys
):
    settings.VAR_DIR = tmp_path
    assert coordinator("logs") == 0
    said = f"There are no logs in {tmp_path / 'log'}. For a node, set WORKSPACE "
    assert capsys.readouterr().err.startswith(said)


def test_a_capture_is_one_object_a_line(logs, tmp_path, coordinator, capsys):
    output = tmp_path / "all.jsonl"
    assert coordinator("logs-capture", "--output", output, "--tail", "2") == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert rows[0] == {
        "timestamp": "2026-03-02T12:00:00+00:00",
        "service": "worker",
        "message": "2026-03-02T12:00:00Z older",
    }
    assert [row["service"] for row in rows] == [
        *("worker", "web", "models/one", "worker", "web")
    ]
    found = capsys.readouterr()
    assert found.out == f"{output}\n"
    assert found.err == "5 lines of 3 parts\n"


def test_a_capture_that_cannot_be_written_is_one_line(logs, coordinator, capsys):
    assert coordinator("logs-capture", "--output", "/proc/none/x") == 5
    assert "/proc/none/x cannot be written" in capsys.readouterr().err


def test_control_characters_and_broken_bytes_are_made_readable(logs):
    (logs / "web.log").write_bytes(b"2026-03-02T12:00:00Z \x1b[31mred \xff\n")
    (line,) = [x for x in read_logs(logs, tail=1) if x.service == "web"]
    assert "\x1b" not in line.message


def test_following_says_whole_new_lines_of_old_new_and_replaced_logs(logs):
    follower = Follower(logs)
    assert follower.new_lines() == []
    with (logs / "web.log").open("a") as web:
        web.write("one\ntw")
    assert follower.new_lines() == [("web", "one")]
    with (logs / "web.log").open("a") as web:
        web.write("o\n")
    (logs / "beat.log").write_text("new\n")
    assert follower.new_lines() == [("beat", "new"), ("web", "two")]
    (logs / "next").write_text("replaced\n")
    (logs / "next").replace(logs / "web.log")
    assert follower.new_lines() == [("web", "replaced")]
    assert follower.new_lines() == []


def test_following_ends_when_it_is_told_to(logs):
    said, looks = [], iter([False, False, True])

    def wait():
        with (logs / "web.log").open("a") as web:
            web.write("x\n")
        return next(looks)

    follow(logs, say=lambda *line: said.append(line), wait=wait)
    assert said == [("web", "x"), ("web", "x")]
