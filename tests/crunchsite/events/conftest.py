from contextlib import ExitStack

import pytest

from core import public_addresses
from crunchsite.events import sending
from crunchsite.events.models import Webhook
from crunchsite.events.webhooks import give_secret
from tests.crunchsite.events.receivers import Receiver, receiving


@pytest.fixture
def loopback_allowed(settings):
    settings.ENV = settings.ENV.model_copy(update={"webhook_networks": "127.0.0.0/8"})


@pytest.fixture
def patient(monkeypatch):
    """Wait for a receiver as long as a busy machine takes to let it answer."""
    monkeypatch.setattr(public_addresses, "CONNECT_S", 300)
    monkeypatch.setattr(public_addresses, "WHOLE_S", 300)
    monkeypatch.setattr(sending, "CONNECT_S", 300)
    monkeypatch.setattr(sending, "READ_S", 300)


@pytest.fixture
def receive(loopback_allowed, patient):
    """Start a receiver and its webhook: `webhook, receiver = receive(500, 200)`."""
    with ExitStack() as stack:

        def start(*answers, manner=None, **fields):
            receiver = stack.enter_context(receiving(Receiver(*answers, manner=manner)))
            name = f"receiver {Webhook.objects.count()}"
            webhook = Webhook(**{"name": name, "url": receiver.url, **fields})
            give_secret(webhook)
            webhook.full_clean()
            webhook.save()
            return webhook, receiver

        yield start
