from django.apps import AppConfig


class CompetitionsConfig(AppConfig):
    name = "competitions"

    def ready(self) -> None:
        """Try schedules and schemas before a competition runs."""
        from competitions import lifecycle, trial

        lifecycle.TRIALS += [trial.try_schedule, trial.try_schema]
