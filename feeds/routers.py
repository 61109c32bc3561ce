"""Send reads of the tape to the tape's database; Django never migrates it."""

from typing import Any

TAPE_MODELS = frozenset({"feedrecord", "feedingestionstate"})


class TapeRouter:
    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "tape" if model._meta.model_name in TAPE_MODELS else None

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool | None:
        return False if db == "tape" else None
