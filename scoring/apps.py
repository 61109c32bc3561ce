from django.apps import AppConfig


class ScoringConfig(AppConfig):
    name = "scoring"

    def ready(self) -> None:
        """Register the trial of scorers before a competition runs."""
        from competitions.trial_process import TRIALS
        from scoring import activation

        TRIALS.append(activation.try_scorer)
