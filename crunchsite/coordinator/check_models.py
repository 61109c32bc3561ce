"""`coordinator check-models`: does a model run, and why does another one not?"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import click
from django.conf import settings

from competitions.local_models import control
from core.errors import OperatorError
from crunchsite.coordinator.site_api import Site, SiteError, look_until, site_at
from crunchsite.coordinator.terminal import echo

RUNNING = "RUNNING"
# States that do not change without somebody's help.
_FAILED = ("STOPPED", "QUARANTINED")


class ModelsFailedError(OperatorError):
    """No model runs, and waiting would not help."""

    code = "models_failed"
    status = 409


class ModelsLateError(OperatorError):
    """No model runs yet."""

    code = "models_late"


@dataclass(frozen=True)
class ModelState:
    """A model, its state, and why it is not RUNNING (empty if that is not known)."""

    model_id: str
    state: str
    reason: str = ""

    def line(self) -> str:
        return f"{self.state:<12} {self.model_id}" + (
            f": {self.reason}" if self.reason else ""
        )


@dataclass
class Roster:
    """The models of a site by id, and what hinders to know them."""

    models: dict[str, ModelState] = field(default_factory=dict)
    trouble: str = ""

    @property
    def running(self) -> list[ModelState]:
        return [model for model in self.models.values() if model.state == RUNNING]

    @property
    def is_hopeless(self) -> bool:
        states = [model.state for model in self.models.values()]
        return bool(states) and all(state in _FAILED for state in states)


def look_at(site: Site, *, is_own: bool) -> Roster:
    """Return the models that a site shows, and those of this machine if it is ours."""
    found = Roster()
    try:
        rows = site.rows("/api/v1/models", is_virtual="false", limit=1000)
    except SiteError as error:
        found.trouble = str(error)
    else:
        for row in rows:
            model_id = str(row.get("model_id"))
            found.models[model_id] = ModelState(model_id, str(row.get("state")))
    # Their orchestrator knows why one does not start; the site may never have met it.
    for local in control.status(settings.MODELS_LOG_DIR) if is_own else []:
        site_knows = found.models.get(local.model_id)
        if local.state != RUNNING:
            why = ModelState(local.model_id, local.state, local.error)
            found.models[local.model_id] = why
        elif site_knows is None or site_knows.state != RUNNING:
            why = ModelState(local.model_id, "JOINING", "the site has not met it yet")
            found.models[local.model_id] = why
    return found


def _note(found: Roster) -> str:
    each = ", ".join(f"{m.model_id} {m.state}" for m in found.models.values())
    return f"  waiting: {found.trouble or each or 'no model is known'}"


@click.command("check-models")
@click.option("--url", help="The site; default: REPORT_API_URL, or this machine's.")
@click.option(
    "--competition", default="", help="Its slug; default: the node's, or the first one."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds to wait; default: CHECK_MODELS_TIMEOUT_SECONDS, which is 120.",
)
@click.option("--json", "is_json", is_flag=True, help="The models as JSON.")
def command(
    *, url: str | None, competition: str, timeout: float | None, is_json: bool
) -> None:
    """Wait until a model runs, and list all; exit code 1 if all failed, 4 if late."""
    site = site_at(url, competition)
    found = look_until(
        lambda: look_at(site, is_own=url is None),
        is_done=lambda roster: bool(roster.running) or roster.is_hopeless,
        note=_note,
        timeout_s=timeout or settings.ENV.check_models_timeout_seconds,
        every_s=settings.ENV.check_models_poll_seconds,
    )
    models = sorted(found.models.values(), key=lambda model: model.model_id)
    if is_json:
        said: list[dict[str, Any]] = [asdict(model) for model in models]
        echo(json.dumps(said))
    else:
        for model in models:
            echo(model.line())
    if found.running:
        return
    if found.is_hopeless:
        raise ModelsFailedError("no model runs; the lines above say why.")
    raise ModelsLateError(found.trouble or "no model runs yet; wait, or see the logs.")
