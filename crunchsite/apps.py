from django.apps import AppConfig


class CrunchsiteConfig(AppConfig):
    name = "crunchsite"

    def ready(self) -> None:
        # Importing them registers the checks, and makes the app that tasks belong to.
        from crunchsite import celery, checks  # noqa: F401
