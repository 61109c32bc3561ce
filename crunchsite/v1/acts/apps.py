from django.apps import AppConfig


class ActsConfig(AppConfig):
    name = "crunchsite.v1.acts"
    label = "acts"
    verbose_name = "Acts over the API"
