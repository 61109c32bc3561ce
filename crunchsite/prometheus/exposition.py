"""Render all gauges as one text, at most once in FRESH_S per process."""

import threading
import time
from collections.abc import Iterator

import structlog
from django.db import DatabaseError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.registry import Collector
from redis import RedisError

from core import clock
from core.errors import OperatorError
from crunchsite.prometheus import sections

log = structlog.get_logger(__name__)

FRESH_S = 5.0
SECTIONS = (
    sections.rounds,
    sections.waiting_rounds,
    sections.standings,
    sections.models,
    sections.feeds,
    sections.events,
    sections.queues,
)
_lock = threading.Lock()
_last: tuple[float, bytes] | None = None


class SiteCollector(Collector):
    """Read the gauges from the database, the broker and the cache."""

    def collect(self) -> Iterator[Gauge]:
        """Yield each section's gauges; leave out only a section that cannot be read."""
        failed = Gauge(
            "crunchsite_scrape_failed",
            "1 for a group of gauges that could not be read.",
            labels=["part"],
        )
        try:
            names = sections.shown_competitions()
        except DatabaseError:
            names = {}
        for section in SECTIONS:
            gauges: list[Gauge] = []
            try:
                gauges = list(section(names, clock.now()))
            except (DatabaseError, OperatorError, OSError, RedisError) as error:
                log.warning("metrics.failed", part=section.__name__, why=str(error))
            failed.add_metric([section.__name__], float(not gauges))
            yield from gauges
        yield failed


def exposition() -> bytes:
    """Return the text for Prometheus; concurrent callers share one reading."""
    global _last  # noqa: PLW0603  one reading a process is the point
    with _lock:
        if _last is None or time.monotonic() - _last[0] > FRESH_S:
            registry = CollectorRegistry(auto_describe=False)
            registry.register(SiteCollector())
            text = generate_latest(registry)
            _last = time.monotonic(), text  # by the end: a reading may take long
        return _last[1]


def forget() -> None:
    """Discard the last reading; for tests."""
    global _last  # noqa: PLW0603
    _last = None
