"""A key of the log, outside of the database, for one test."""

import pytest
from django.db import transaction

from core import public_addresses
from proofs import log_keys
from proofs.leaves import NewLeaf, append_leaves
from proofs.models import LogLeaf

ORIGIN = "example.org/log"


@pytest.fixture
def keyless(settings, tmp_path):
    """No key; the folder where one would be."""
    changed = {"log_key_file": str(tmp_path / "log_key"), "log_key": ""}
    settings.ENV = settings.ENV.model_copy(update=changed)
    return tmp_path


@pytest.fixture
def log_key(keyless):
    log_keys.write_lines([log_keys.new_key(ORIGIN)])
    return log_keys.signers()[0].key


@pytest.fixture
def loopback(settings, monkeypatch):
    """Let who is asked be here, and let a busy machine take its time."""
    settings.ENV = settings.ENV.model_copy(update={"webhook_networks": "127.0.0.0/8"})
    monkeypatch.setattr(public_addresses, "CONNECT_S", 300)
    monkeypatch.setattr(public_addresses, "WHOLE_S", 300)


@pytest.fixture
def append():
    """Append leaves of facts by their names, in a transaction of their own."""

    def write(*names, kind=LogLeaf.Kind.ROUND):
        with transaction.atomic():
            append_leaves(NewLeaf(kind, name, {"name": name}) for name in names)

    return write
