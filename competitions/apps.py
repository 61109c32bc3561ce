from django.apps import AppConfig


class CompetitionsConfig(AppConfig):
    name = "competitions"

    def ready(self) -> None:
        """Try schedules before a competition runs."""
        from competitions import lifecycle, trial

        lifecycle.TRIALS.append(trial.try_schedule)
