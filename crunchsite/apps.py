from django.apps import AppConfig


class CrunchsiteConfig(AppConfig):
    name = "crunchsite"
