from django.apps import AppConfig


class ScoringConfig(AppConfig):
    name = "scoring"

    def ready(self) -> None:
        """Try scorers before a competition runs."""
        from competitions import lifecycle
        from scoring import activation

        lifecycle.TRIALS.append(activation.try_scorer)
