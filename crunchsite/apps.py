from django.apps import AppConfig


class CrunchsiteConfig(AppConfig):
    name = "crunchsite"

    def ready(self) -> None:
        # Importing them registers the checks, and makes the app that tasks belong to.
        from core.facts import announced
        from crunchsite import celery, checks  # noqa: F401
        from crunchsite.release_leaves import log_releases

        announced.connect(log_releases, dispatch_uid="crunchsite.release_leaves")
