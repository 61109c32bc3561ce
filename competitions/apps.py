from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from core.imports import Sources, admit


class CompetitionsConfig(AppConfig):
    name = "competitions"

    def ready(self) -> None:
        """Register the sources of callables, and the trials of a competition."""
        from competitions import trial
        from competitions.trial_process import TRIALS

        admit(callable_sources)
        TRIALS.extend([trial.try_schedule, trial.try_schema])


def callable_sources() -> Sources:
    """Return where callables may come from: the project, the operator's packages."""
    return Sources(
        packages=(*settings.OWN_CALLABLES, *settings.CALLABLE_PACKAGES),
        closed=(Path(settings.VAR_DIR), Path(settings.LOCAL_MODELS_DIR)),
    )
