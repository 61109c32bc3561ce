"""The real command, killed for real, between two pages of an exchange."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from django.db import connections

from feeds.models import BackfillJob
from feeds.tape.engine import transaction
from tests.fakes.exchange import FakeExchange
from tests.waiting import sessions, wait_for

pytestmark = [
    pytest.mark.usefixtures("tape"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),  # four starts of a process, on a busy machine too
]

HOURS = 12


def count():
    with transaction() as connection:
        return connection.scalar(
            sa.text("SELECT count(*) FROM tape.feed_records WHERE source = 'binance'")
        )


def an_old_hour():
    """Return a full hour of real time; a command that resumes names the same one."""
    return int(time.time()) // 3600 * 3600 - HOURS * 3600


def command(exchange, start):
    entry = connections["default"].settings_dict
    url = sa.engine.make_url("postgresql://").set(
        username=entry["USER"], database=entry["NAME"], query={"host": entry["HOST"]}
    )
    text = [
        datetime.fromtimestamp(at, UTC).isoformat() for at in (start, start + 36_000)
    ]
    code = (
        "import feeds.backfill as b; b.SAVE_EVERY_S = -1.0;"
        "from django.core.management import execute_from_command_line as run;"
        "import sys; run(sys.argv)"
    )
    return subprocess.Popen(
        [
            *(sys.executable, "-c", f"import django; django.setup(); {code}"),
            *("backfill", "--source", "binance", "--subject", "BTCUSDT"),
            *("--from", text[0], "--to", text[1], "--page-size", "10"),
        ],
        env={
            **os.environ,
            **{key.upper(): value for key, value in exchange.env.items()},
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "DATABASE_URL": url.render_as_string(),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_same_command_goes_on_where_it_was_killed(number):
    start, before = an_old_hour(), sessions()
    with FakeExchange() as exchange:
        exchange.held_after = 30
        first = command(exchange, start)
        try:
            written = BackfillJob.objects.filter(records_written__gte=50)
            wait_for(written.exists, timeout_s=180)
            first.send_signal(number)
            output, _ = first.communicate(timeout=120)
        finally:
            first.kill()
        assert first.returncode == (-9 if number == signal.SIGKILL else 130), output
        wait_for(lambda: sessions() <= before)  # what it had asked for is done, or not
        job = BackfillJob.objects.get()
        kept = count()
        assert 50 <= kept < 600
        assert job.cursor_at < job.end_at
        exchange.held_after, exchange.requests = None, []
        second = command(exchange, start)
        output, _ = second.communicate(timeout=120)
    assert second.returncode == 0, output
    assert "continuing from" in output
    assert count() == 600
    asked = int(exchange.requests[0][1]["startTime"]) / 1000
    assert asked == job.cursor_at.timestamp()
    assert BackfillJob.objects.get().status == "completed"
