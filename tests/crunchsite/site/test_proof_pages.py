"""The pages of proofs: what a browser verifies, the file for strangers, witnesses."""

import json
import zipfile
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from crunchsite.bundles import kept_bundle
from crunchsite.bundles.bundle_format import CHECKPOINT, FILES
from emissions import transitions
from emissions.models import Checkpoint
from proofs import sealing, witnesses
from proofs.models import LogCheckpoint, LogTimestamp, Witness
from tests.conftest import NOW
from tests.crunchsite.bundles.recorded import NOBODY, WITNESS, record
from tests.proofs.conftest import append as append  # noqa: PLC0414  a fixture
from tests.proofs.conftest import keyless as keyless  # noqa: PLC0414  a fixture
from tests.proofs.conftest import log_key as log_key  # noqa: PLC0414  a fixture

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.usefixtures("frozen_clock", "tape"),
]


def text(answer):
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_verifier_is_served_as_it_is(client):
    answer = client.get("/verify/verify.py")
    assert answer["Content-Type"] == "text/x-python"
    assert answer.content.startswith(b'"""Verify a bundle: python verify.py BUNDLE')


def test_the_page_offers_the_newest_bundle_which_is_made_once(
    client, log_key, settings, keyless, monkeypatch
):
    settings.VAR_DIR = keyless
    made = record()
    page = text(client.get("/verify?competition=btc"))
    assert f"Your file, else the newest checkpoint, {made}" in page
    assert 'data-bundle="/verify/bundle.zip?competition=btc"' in page
    assert str(log_key) in page
    answer = client.get("/verify/bundle.zip?competition=btc")
    assert f'filename="btc-{made}-paid-step3.zip"' in answer["Content-Disposition"]
    with zipfile.ZipFile(BytesIO(b"".join(answer.streaming_content))) as archive:
        assert archive.namelist() == [*FILES]
    monkeypatch.setattr(kept_bundle, "export_period", None)  # it is not called again
    again = client.get("/verify/bundle.zip?competition=btc")
    assert again.status_code == 200
    assert b"".join(again.streaming_content)
    monkeypatch.setattr(kept_bundle, "MOST_ANSWERS", 43)
    Checkpoint.objects.update(status="CLAIMABLE")
    large = client.get("/verify/bundle.zip?competition=btc")
    assert large.status_code == 409
    assert large.content.decode().startswith(f"{made} has 44 answers, too many")


def test_a_bundle_of_before_a_correction_is_not_offered_any_more(
    client, log_key, settings, keyless
):
    def transaction():
        answer = client.get("/verify/bundle.zip?competition=btc")
        with zipfile.ZipFile(BytesIO(b"".join(answer.streaming_content))) as archive:
            return json.loads(archive.read(CHECKPOINT))["tx_hash"]

    settings.VAR_DIR = keyless
    made = record()
    assert transaction() == "0xbeef"
    transitions.correct_transaction(
        checkpoint_id=made.pk, tx_hash="0xcafe", reason="a slip", user=NOBODY
    )
    sealing.seal()
    assert transaction() == "0xcafe"


def test_a_site_without_a_checkpoint_says_so(client):
    assert "Verify" in text(client.get("/verify"))
    assert client.get("/verify/bundle.zip").status_code == 404


def test_the_witnesses_of_the_log_are_shown_with_what_is_wrong(client, append, log_key):
    page = text(client.get("/witnesses"))
    assert "witnessed by 0 of 0 owners" in page
    assert "Nobody witnesses this log yet" in page
    append("a")
    sealing.seal()
    witnesses.register(vkey=str(WITNESS.key), owner="Wendy")
    assert "Has not cosigned yet" in text(client.get("/witnesses"))
    head = LogCheckpoint.objects.get()
    at = int(datetime(2026, 3, 2, 11, 59, 30, tzinfo=UTC).timestamp())
    line = WITNESS.cosign(head.note.rpartition("\n\n")[0] + "\n", signed_at_s=at)
    witnesses.accept(f"{head.note}{line}")
    page = text(client.get("/witnesses"))
    assert "witnessed by 1 of 1 owners" in page
    assert "02 Mar 11:59:30 UTC" in page
    assert "Cosigns" in page
    LogCheckpoint.objects.update(signed_at=NOW - timedelta(hours=2))
    append("b")
    sealing.seal()
    LogCheckpoint.objects.filter(size=3).update(signed_at=NOW - timedelta(minutes=50))
    assert "Cosigns" in text(client.get("/witnesses"))  # what there was for an hour
    LogCheckpoint.objects.filter(size=3).update(signed_at=NOW - timedelta(minutes=61))
    page = text(client.get("/witnesses"))
    silent = ">Silent</span> for more than an hour, since <time"
    assert silent in page
    assert "Cosigns" not in page
    witnesses.retire(str(WITNESS.key))
    page = text(client.get("/witnesses"))
    assert ">Retired</span> since" in page
    assert "witnessed by 0 of 0 owners" in page
    Witness.objects.update(refused_at=NOW, retired_at=None)
    page = text(client.get("/witnesses"))
    assert "it says that the log was rewritten" in page
    assert "witness_refused" in page


def test_the_newest_time_stamp_is_shown(client, append, log_key, settings):
    append("a")
    sealing.seal()
    assert "Time stamps" not in text(client.get("/witnesses"))
    changed = {"log_timestamp_url": "http://tsa.example", "log_timestamp_ca": "x"}
    settings.ENV = settings.ENV.model_copy(update=changed)
    assert "the first stamp comes by an hour after" in text(client.get("/witnesses"))
    head = LogCheckpoint.objects.get()
    LogTimestamp.objects.create(head=head, answer=b"", stamped_at=NOW)
    page = text(client.get("/witnesses"))
    assert f"a head of {head.size} entries, stamped" in page
    for path in ("timestamps", f"checkpoint/{head.size}.note"):
        assert f'href="/log/{path}"' in page
