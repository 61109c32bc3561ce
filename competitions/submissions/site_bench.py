"""Where the site keeps and checks what was submitted."""

from pathlib import Path

from django.conf import settings

from competitions.check_model.bench import Bench
from competitions.local_models.hidden_folders import (
    CANDIDATES,
    CANDIDATES_LOGS,
    CANDIDATES_SOCKET,
    SUBMITTED,
)


def site_bench() -> Bench | None:
    """Return the bench of the site's own orchestrator; None if the site has none."""
    socket = Path(settings.ENV.model_runner_node_host)
    if not socket.is_absolute():
        return None
    return Bench(
        socket=socket.with_name(CANDIDATES_SOCKET),
        models=settings.LOCAL_MODELS_DIR / CANDIDATES,
        logs=settings.MODELS_LOG_DIR / CANDIDATES_LOGS,
    )


def submitted_folder() -> Path:
    """Return the folder of all contents, which only this user can open."""
    folder: Path = settings.LOCAL_MODELS_DIR / SUBMITTED
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
