"""Bundles of one recorded competition, made once; what reads them needs no database."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction

from core.tlog.note import Signer
from proofs import log_keys, rotation
from tests.conftest import empty_tape
from tests.crunchsite.bundles.recorded import ORIGIN, TRADING, bundle_of, record


@dataclass(frozen=True)
class Recorded:
    """A bundle, that of the cruncher 100, and who signs the log.

    In the `changed` one another scorer held when the first of its rounds was asked; it
    is not paid yet, and something was moved. The `traded` one is of a trading
    competition, most of it asked in the first hour; the `by_drawdown` one ranks by a
    figure that is no sum of its snapshots. The key of the `rotated` one was replaced
    before its first entry and once within it; `first` was that before both.
    """

    whole: bytes
    part: bytes
    changed: bytes
    traded: bytes
    by_drawdown: bytes
    rotated: bytes
    signer: Signer
    first: Signer
    root = Path(__file__).resolve().parents[3]

    @property
    def key(self):
        return str(self.signer.key)


@contextmanager
def log_of_its_own(folder):
    """Have an empty log with a key, and store nothing."""
    changed = {"log_key_file": str(folder / "log_key"), "log_key": ""}
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(settings, "ENV", settings.ENV.model_copy(update=changed))
        log_keys.write_lines([log_keys.new_key(ORIGIN)])
        try:
            yield
        finally:
            transaction.set_rollback(True)
            empty_tape()  # no transaction of Django's holds it


@pytest.fixture(scope="package")
def recorded(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        with log_of_its_own(tmp_path_factory.mktemp("log")):
            made = record()
            signer = log_keys.signers()[0]
            whole, part = bundle_of(made), bundle_of(made, of=100)
            rotation.rotate(reason="it is a year old")
            assert bundle_of(made) == whole  # the same facts, the same bytes
        with log_of_its_own(tmp_path_factory.mktemp("log")):
            other = f"{record.__module__}:OTHER_SCORER"
            changed = bundle_of(
                record([0, 10, 20], first_contract=other, is_paid=False)
            )
        with log_of_its_own(tmp_path_factory.mktemp("log")):
            traded = bundle_of(record([0, 10, 20, 90], contract=TRADING))
        with log_of_its_own(tmp_path_factory.mktemp("log")):
            figure = f"{record.__module__}:BY_DRAWDOWN"
            by_drawdown = bundle_of(record([0, 10, 20, 70, 80, 90], contract=figure))
        with log_of_its_own(tmp_path_factory.mktemp("log")):
            first = log_keys.signers()[0]
            rotated = bundle_of(record([0, 10, 20], rotated=(0, 20)))
    return Recorded(whole, part, changed, traded, by_drawdown, rotated, signer, first)
