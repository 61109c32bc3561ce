from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "crunchsite.events"
    label = "events"
    verbose_name = "Events"

    def ready(self) -> None:
        from core.facts import announced
        from crunchsite.events.outbox import store_events

        announced.connect(store_events, dispatch_uid="crunchsite.events")
