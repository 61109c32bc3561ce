"""Bundles of one recorded competition, made once; what reads them needs no database."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction

from core.tlog.note import Signer
from proofs import log_keys
from tests.conftest import empty_tape
from tests.crunchsite.bundles.recorded import ORIGIN, bundle_of, record


@dataclass(frozen=True)
class Recorded:
    """A bundle, that of the cruncher 100, and who signs the log."""

    whole: bytes
    part: bytes
    signer: Signer
    root = Path(__file__).resolve().parents[3]

    @property
    def key(self):
        return str(self.signer.key)


@pytest.fixture(scope="package")
def recorded(django_db_setup, django_db_blocker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    changed = {"log_key_file": str(folder / "log_key"), "log_key": ""}
    with (
        pytest.MonkeyPatch.context() as patch,
        django_db_blocker.unblock(),
        transaction.atomic(),
    ):
        patch.setattr(settings, "ENV", settings.ENV.model_copy(update=changed))
        log_keys.write_lines([log_keys.new_key(ORIGIN)])
        made = record()
        signer = log_keys.signers()[0]
        found = Recorded(bundle_of(made), bundle_of(made, of=100), signer)
        assert bundle_of(made) == found.whole  # the same facts, the same bytes
        transaction.set_rollback(True)
        empty_tape()
    return found
