from django.apps import AppConfig


class LivepoolConfig(AppConfig):
    name = "livepool"
    verbose_name = "Live pool"
