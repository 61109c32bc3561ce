"""One known key of a log suffices, though others have replaced it since or before."""

import json

import pytest

from core.tlog.note import Note, parse_note, parse_vkey
from crunchsite.bundles.verify_bundle import verify_bundle
from tests.crunchsite.bundles.tampering import OTHER, OpenBundle

pytestmark = pytest.mark.django_db  # where the bundle is recorded


@pytest.fixture
def found(tmp_path):
    def verify(data, *keys):
        path = tmp_path / "bundle.zip"
        path.write_bytes(data)
        return verify_bundle(path, keys=[*map(parse_vkey, keys)])

    return verify


def keys_of(bundle):
    """Return the rows of the log's keys, and what their entries say."""
    rows = [row for row in bundle["entries"] if "replaces" in row["entry"]]
    return rows, [json.loads(row["entry"]) for row in rows]


def test_each_of_a_logs_keys_leads_to_all_the_others(recorded, found):
    rows, said = keys_of(bundle := OpenBundle(recorded.rotated))
    assert [bundle["manifest"][0]["start"] > row["index"] for row in rows] == [1, 0]
    names = [str(recorded.first.key), *(each["vkey"] for each in said)]
    assert names == bundle["manifest"][0]["keys"][::-1]
    for name in names:
        verdict = found(recorded.rotated, name)
        assert verdict.failed == []
        assert verdict.steps["keys"].checked == 1


def _forged(bundle):
    """Name a key in an entry that the log does not have."""
    rows, (said, _) = keys_of(bundle)
    forged = json.dumps({**said, "vkey": str(OTHER.key)}, separators=(",", ":"))
    rows[0]["entry"] = forged


def _too_early(bundle):
    """Show as the old key's last head one that was signed before the entry."""
    rows, _ = keys_of(bundle)
    rows[1]["vouched"] = rows[0]["vouched"]


def _unsigned(bundle):
    """Leave the new key's own signature alone below the head that names it."""
    rows, _ = keys_of(bundle)
    note = parse_note(rows[0]["vouched"]["note"])
    rows[0]["vouched"]["note"] = str(Note(note.text, note.signatures[:1]))


def _left_out(bundle):
    rows, _ = keys_of(bundle)
    del rows[1]["vouched"]


def _lost(bundle):
    """Say of a key that it was lost; the entry is no longer the log's either."""
    rows, _ = keys_of(bundle)
    rows[0]["entry"] = rows[0]["entry"].replace('"lost":false', '"lost":true')


CHANGES = [
    (_forged, "has signed covers entry 1, which names example.org/log"),
    (_too_early, "no head that example.org/log"),
    (_unsigned, "has signed covers entry 1, which names example.org/log"),
    (_left_out, "no head that example.org/log"),
    (_lost, "was lost, so nothing vouches for example.org/log"),
]
IDS = [change.__name__.strip("_") for change, _ in CHANGES]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=IDS)
def test_a_key_that_nothing_vouches_for_is_named(recorded, found, change, words):
    bundle = OpenBundle(recorded.rotated)
    change(bundle)
    verdict = found(bundle.packed(), str(recorded.first.key))
    assert {"keys", "heads"} <= {*verdict.failed}
    told = verdict.steps["keys"].wrong
    assert any(words in each or "no key that is known" in each for each in told), told


def signed_after_its_end(bundle, old):
    """Sign the last head with a key that the log has replaced: it was stolen since."""
    text = parse_note(bundle["heads"][-1]["note"]).text
    bundle["heads"][-1]["note"] = str(Note(text, (old.sign(text),)))


def test_an_old_keys_head_after_its_end_is_refused(recorded, found):
    bundle = OpenBundle(recorded.rotated)
    signed_after_its_end(bundle, recorded.first)
    newest = bundle["manifest"][0]["keys"][0]
    for known in (str(recorded.first.key), newest):
        verdict = found(bundle.packed(), known)
        assert "heads" in verdict.failed
        (told,) = [
            each for each in verdict.steps["heads"].wrong if "is not signed" in each
        ]
        assert f"it is not signed by {newest}, the log's key by then" in told
