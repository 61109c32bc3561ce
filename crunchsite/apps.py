from django.apps import AppConfig


class CrunchsiteConfig(AppConfig):
    name = "crunchsite"

    def ready(self) -> None:
        from crunchsite import checks  # noqa: F401  importing registers them
