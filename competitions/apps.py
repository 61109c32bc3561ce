from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from core.imports import Sources, admit


class CompetitionsConfig(AppConfig):
    name = "competitions"

    def ready(self) -> None:
        """Say where callables come from; try schedules and schemas before one runs."""
        from competitions import trial
        from competitions.trial_process import TRIALS

        admit(callable_sources)
        TRIALS.extend([trial.try_schedule, trial.try_schema])


def callable_sources() -> Sources:
    """The project's own callables and the operator's packages; never data or models."""
    return Sources(
        packages=(*settings.OWN_CALLABLES, *settings.CALLABLE_PACKAGES),
        closed=(Path(settings.VAR_DIR), Path(settings.LOCAL_MODELS_DIR)),
    )
