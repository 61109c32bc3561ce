"""Events as key=value lines: `round.performed competition=btc-demo models=4`."""

import logging
from typing import Any

import structlog

from core.logs import bound_event, bounded_traceback, hide_secrets
from core.texts import one_line

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    bound_event,
]


class OneLine(logging.Filter):
    """Log a refused request as one line without a traceback; other errors unchanged."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", 400) < 500:
            record.msg, record.args = one_line(record.getMessage(), limit=500), ()
            record.exc_info = None
        return True


def logging_config(level: str) -> dict[str, Any]:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.dev.ConsoleRenderer(
                        colors=False,
                        pad_event_to=0,
                        # The default shows local variables, which may be secrets.
                        exception_formatter=bounded_traceback,
                    ),
                    hide_secrets,
                ],
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
            "refused": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["one_line"],
            },
        },
        "filters": {"one_line": {"()": "crunchsite.settings.logging.OneLine"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "alembic": {"level": "WARNING"},
            # One line per task and second is useless; we log failures ourselves.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
            "django.server": {"level": "WARNING"},
            # Whatever a client sends, it causes at most one log line.
            "django.request": {"handlers": ["refused"], "propagate": False},
            "django.security": {"handlers": ["refused"], "propagate": False},
            "waitress.queue": {"level": "ERROR"},
            # The gateway logs its connections in its own events.
            "model_runner_client": {"level": "CRITICAL"},
        },
    }
