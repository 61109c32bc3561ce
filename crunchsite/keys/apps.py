from django.apps import AppConfig


class KeysConfig(AppConfig):
    name = "crunchsite.keys"
    label = "keys"
    verbose_name = "API keys"
