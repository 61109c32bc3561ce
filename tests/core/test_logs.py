"""A log line is bounded and stays one line, whatever a stranger put into it."""

import io
import logging
import logging.config

import pytest
import structlog

from core.logs import append_bounded, bounded_traceback
from crunchsite.events.secrets import make_secret
from crunchsite.keys.tokens import make_token
from crunchsite.settings.logging import logging_config


@pytest.fixture
def written():
    """What the site's handler writes of an event."""
    config = logging_config("INFO")
    handler = logging.StreamHandler(io.StringIO())
    made = logging.config.DictConfigurator(config)
    handler.setFormatter(made.configure_formatter(config["formatters"]["line"]))

    def write(log_it):
        logger = logging.getLogger("tests.core.logs")
        logger.addHandler(handler)
        logger.setLevel("INFO")
        try:
            log_it(structlog.get_logger("tests.core.logs"), logger)
        finally:
            logger.removeHandler(handler)
        return handler.stream.getvalue()

    return write


@pytest.mark.parametrize(
    "value",
    [
        "x" * 3 * 2**20,
        ["x" * 2**20] * 20,
        {"k" * 2**20: "v" * 2**20},
        ValueError("x" * 2**20),
        "a\nb\rc\0d\x1b[2J\ud800",
    ],
)
def test_a_value_takes_one_line_of_a_bounded_length(written, value):
    line = written(lambda events, _: events.warning("model.reported", reason=value))
    assert "model.reported" in line
    assert line.count("\n") == 1
    assert len(line) < 5_000
    assert not {"\0", "\x1b", "\r", "\ud800"} & set(line)


def test_no_line_holds_a_secret_wherever_it_came_from(written):
    prefix, token = make_token()
    secret = make_secret()

    def log_it(events, logger):
        logger.warning("Not Found: /reports/%s", token)
        events.warning("model.reported", reason=[f"x{token}", secret], **{token: 1})
        try:
            int(token)
        except ValueError:
            events.exception("task.failed")

    text = written(log_it)
    assert text.count(f"csk_{prefix}_…") == 4
    assert token[-43:] not in text
    assert secret.removeprefix("whsec_") not in text


def test_a_message_of_another_librarys_logger_is_bounded_too(written):
    line = written(lambda _, logger: logger.warning("oh %s", "\0" * 10**6))
    assert line.count("\n") == 1
    assert len(line) < 5_000


def test_a_traceback_keeps_its_beginning_and_end():
    output = io.StringIO()
    try:
        int("x")
    except ValueError as error:
        huge = ValueError("\x1b" + "x" * 3 * 2**20 + "the end").with_traceback(
            error.__traceback__
        )
        bounded_traceback(output, (ValueError, huge, huge.__traceback__))
    text = output.getvalue().strip()
    assert text.startswith("Traceback (most recent call last)")
    assert text.endswith("the end")
    assert len(text) < 25_000
    assert "\x1b" not in text


def test_the_last_words_of_a_part_stand_in_the_log_itself(tmp_path):
    log = tmp_path / "part.log"
    for word in (b"first", b"second", b"third"):
        append_bounded(log, word, largest_bytes=4)
    assert log.read_bytes() == b"third"
    assert log.with_name("part.log.1").read_bytes() == b"second"
