"""The whole site on a recorded market, and faults that tests cause."""

import os
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import psycopg2

from crunchsite.settings.places import embedded_database_url, embedded_redis_url
from crunchsite.stack import leftovers
from tests.e2e.conftest import ROOT, Stack
from tests.faults import market
from tests.ports import free_port

# For whatever may wait for a part's pause and its start, on a machine that is busy.
WIDE_S = 120


class Site(Stack):
    """`manage.py up` over a replay at 60 times its speed."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.market = market.write_market(folder / "market.parquet")
        market.write_models(folder / "models")
        super().__init__(
            folder / "var",
            free_port(),
            FEED_SOURCE="replay",
            FEED_REPLAY_PATH=str(folder / "market.parquet"),
            FEED_POLL_S="1",
            CLOCK_START=market.START.isoformat(),
            CLOCK_SPEED="60",
            LOCAL_MODELS_DIR=str(folder / "models"),
            **env,
        )
        self.database_url = embedded_database_url(self.var)
        self.redis_url = embedded_redis_url(self.var)

    # --- what is seen

    def said(self) -> str:
        """Return the terminal's text."""
        return self.output.read_text()

    def wait_said(self, text: str, *, times: int = 1) -> None:
        self.wait_for(lambda: self.said().count(text) >= times, timeout_s=WIDE_S)

    def parts(self) -> dict[str, int]:
        """Name to process id of the parts that the supervisor started."""
        return {p.name: p.pid for p in leftovers.find(self.var) if p.is_supervised}

    def rows(self, sql: str) -> list[tuple]:
        with (
            closing(psycopg2.connect(self.database_url)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            return cursor.fetchall()

    def wait_watched(self) -> None:
        """Wait until the supervisor watches its parts: then it saves its clock."""
        clock = self.var / "clock.json"
        before = clock.stat().st_mtime_ns
        self.wait_for(lambda: clock.stat().st_mtime_ns > before, timeout_s=WIDE_S)

    def wait_rounds(self, count: int = 3) -> None:
        """Wait until so many rounds made from now on were answered by all models."""
        ((newest,),) = self.rows("SELECT coalesce(max(id), 0) FROM inputs")
        answered = f"""
            SELECT i.id FROM inputs i JOIN predictions p ON p.input_id = i.id
            WHERE i.id > {newest} AND p.outcome = 'ANSWERED'
            GROUP BY i.id HAVING count(*) = {len(market.MODELS)}
        """

        def are_there() -> bool:
            with suppress(psycopg2.OperationalError):  # it may be starting
                return len(self.rows(answered)) >= count
            return False

        self.wait_for(are_there, timeout_s=WIDE_S)

    def wait_scored(self) -> None:
        """Wait until every round that is due now is settled."""
        ((now,),) = self.rows("SELECT max(slot_at) FROM inputs")
        waiting = f"""
            SELECT 1 FROM inputs WHERE status = 'RECEIVED'
            AND slot_at <= '{now.isoformat()}'
        """
        self.wait_for(lambda: not self.rows(waiting), timeout_s=WIDE_S)

    # --- what is done

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        os.kill(self.parts()[name], number)

    def kill_models(self) -> None:
        """Kill the models' own processes, not their orchestrator."""
        mine = str(self.var.parent / "models").encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (folder / "cmdline").read_bytes()
                if b"competitions.local_models.runner" in command and mine in command:
                    os.kill(int(folder.name), signal.SIGKILL)

    def end(self, number: int) -> int:
        """Send a signal to the supervisor alone and wait until it has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(WIDE_S)

    def wait_nothing_left(self) -> None:
        self.wait_for(lambda: not leftovers.find(self.var), timeout_s=WIDE_S)

    def second_start(self, port: int) -> subprocess.CompletedProcess[str]:
        """Try to start the same folder once more, on another port."""
        return subprocess.run(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env={**self.env, "PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=WIDE_S,
            check=False,
        )
