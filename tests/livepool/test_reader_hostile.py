"""The reader never fails on malformed, huge, deep or altered content."""

import json
import os
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from livepool import reader as consumer
from livepool.reader import PoolError, Reader
from livepool.release import document, signing
from livepool.release.release_files import ReleaseFiles
from livepool.stores.local import LocalReleaseStore
from tests.livepool.conftest import pool_of

DAY = date(2026, 3, 13)
SYMBOLS = ["TRXUSDT", "ETHUSDT", "BCHUSDT", "NEARUSDT", "LTCUSDT"]
FILES = pool_of(DAY, [*SYMBOLS, "XRPUSDT"])
MANIFEST = json.loads(FILES["artifact_manifest.json"])
DEEP = "[" * 200_000 + "]" * 200_000


class Bucket:
    """Addresses of a bucket whose objects are `FILES`, or what a test puts there."""

    def __init__(self, **changed):
        self.files = FILES | {k.replace("__", "."): v for k, v in changed.items()}

    def uri(self, path=""):
        return f"gs://bucket/prefix/{path}"

    def fetch(self, uri):
        return self.files[uri.rpartition("/")[2]]


DOCUMENT = document.summary(
    ReleaseFiles(FILES).pool,
    Bucket(),
    generated_at=datetime(2026, 3, 14, 3, 15, tzinfo=UTC),
)


def load(payload=DOCUMENT, *, bucket=None, **options):
    reader = Reader(
        today=lambda: DAY + timedelta(days=1),
        fetch=(bucket or Bucket()).fetch,
        **options,
    )
    return reader.load(lambda: payload)


def told(pool):
    """What a pool says of the release, without how it was obtained."""
    return (
        *(pool.symbols, dict(pool.bases), pool.version, pool.mode),
        *(pool.as_of_date, pool.source_project),
    )


TRUE = told(load())


def with_manifest(**changes):
    return Bucket(artifact_manifest__json=json.dumps({**MANIFEST, **changes}).encode())


def test_the_untouched_release_is_fresh():
    pool = load()
    assert (pool.source, pool.messages) == ("fresh_upstream", ())
    assert pool.symbols == tuple(SYMBOLS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"artifacts": [1]}, "artifacts must be"),
        ({"artifacts": None}, "artifacts must be"),
        ({"artifacts": {}}, "artifacts must be"),
        ({"artifacts": dict.fromkeys(MANIFEST["artifacts"], 7)}, "live_pool must have"),
        ({"symbols": 5}, "symbols was 5"),
        ({"symbol_count": 5.0}, "symbol_count was 5.0"),
        ({"symbol_count": True}, "symbol_count was True"),
        ({"version": ["2026-03-13-core_major"]}, "version was a list"),
        ({"mode": "broad_liquid"}, "mode was 'broad_liquid'"),
        ({"snapshot_as_of": "2026-03-12"}, "snapshot_as_of was"),
        ({"contract_version": "v0"}, "contract_version was 'v0'"),
        ({"generated_at": "yesterday"}, "generated_at must be an instant"),
        ({"generated_at": 10**400}, "generated_at must be an instant"),
    ],
)
def test_a_malformed_manifest_takes_the_next_rung(tmp_path, changes, message):
    keep = tmp_path / "kept.json"
    load(last_known_good=keep)
    pool = load(bucket=with_manifest(**changes), last_known_good=keep)
    assert pool.source == "last_known_good"
    assert pool.degraded
    assert message in pool.messages[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "gave None, not bytes"),
        ("{}", "not bytes"),
        (b"", "not valid JSON"),
        (b"[]", "must hold an object"),
        (b"\xff\xfe{", "not valid JSON"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"version": 1, "version": 2}', "named twice"),
        (DEEP.encode(), "not valid JSON"),
        (b" " * (consumer.MOST_BYTES + 1), "bytes, limit"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
    ],
)
def test_what_is_no_manifest_takes_the_next_rung(data, message):
    pool = load(bucket=Bucket(artifact_manifest__json=data))
    assert pool.source == "static"
    assert message in pool.messages[0]


def test_base_assets_are_verified_too():
    scam = {s: {"base_asset": "SCAM"} for s in SYMBOLS}
    pool = load({**DOCUMENT, "symbol_map": scam})
    assert pool.source == "static"
    assert "differ in symbol_map" in pool.messages[0]


@pytest.mark.parametrize("name", sorted(set(FILES) - {"artifact_manifest.json"}))
def test_every_file_of_the_release_must_be_whole(name):
    bucket = Bucket()
    bucket.files = {**FILES, name: FILES[name] + b" "}
    assert f"{name} does not match its checksum" in load(bucket=bucket).messages[0]
    del bucket.files[name]
    assert f"{name} cannot be read" in load(bucket=bucket).messages[0]


@pytest.mark.parametrize(
    "key", [key for key in DOCUMENT if key.endswith(("_uri", "_prefix"))]
)
def test_an_address_elsewhere_is_refused(key):
    changed = DOCUMENT[key].replace("bucket", "other")
    assert load({**DOCUMENT, key: changed}).source == "static"
    assert load({**DOCUMENT, key: None}).source == "static"


def test_a_document_without_its_manifest_is_refused_by_who_can_fetch():
    stable = {k: DOCUMENT[k] for k in json.loads(FILES["live_pool.json"])}
    assert load(stable).source == "static"
    alone = Reader(today=lambda: DAY)
    assert alone.load(lambda: stable).source == "fresh_upstream"
    unchecked = alone.load(lambda: DOCUMENT)
    assert unchecked.source == "fresh_upstream"
    assert "checksums were not checked" in unchecked.messages[0]
    headless = {k: v for k, v in DOCUMENT.items() if not k.startswith("versioned")}
    assert alone.load(lambda: headless).source == "static"


def test_what_was_not_verified_is_not_remembered(tmp_path):
    keep = tmp_path / "kept.json"
    load(bucket=with_manifest(version="x"), last_known_good=keep)
    assert not keep.exists()


def test_the_last_known_good_is_replaced_whole(tmp_path):
    """Who has it open goes on reading the old one; nothing else is left behind."""
    keep = tmp_path / "kept.json"
    keep.write_text("old")
    with keep.open() as before:
        load(last_known_good=keep)
        assert before.read() == "old"
    assert list(tmp_path.iterdir()) == [keep]
    stable = {k: DOCUMENT[k] for k in json.loads(FILES["live_pool.json"])}
    assert json.loads(keep.read_text()) == stable


def test_a_document_whose_extras_cannot_be_kept_is_remembered_without_them(tmp_path):
    circle = {}
    circle["self"] = circle
    pool = load({**DOCUMENT, "note": circle}, last_known_good=tmp_path / "kept.json")
    assert pool.source == "fresh_upstream"
    assert load(None, last_known_good=tmp_path / "kept.json").version == pool.version


def deep_list():
    found = []
    for _ in range(100_000):
        found = [found]
    return found


NESTED = deep_list()


@pytest.mark.parametrize(
    "payload",
    [
        *(None, [], "text", 7, b"bytes", NESTED),
        {**DOCUMENT, "symbols": NESTED},
        {**DOCUMENT, "symbols": [f"A{n}USDT" for n in range(10**5)]},
        {**DOCUMENT, "symbols": {"a": 1}},
        {**DOCUMENT, "symbols": 10**5000},
        {**DOCUMENT, "pool_size": 10**5000},
        {**DOCUMENT, "pool_size": 5.0},
        {**DOCUMENT, "mode": ["core_major"]},
        {**DOCUMENT, "mode": "m" * 10**6},
        {**DOCUMENT, "version": {"a": 1}},
        {**DOCUMENT, "version": "2026-03-12-core_major"},
        {**DOCUMENT, "source_project": 7},
        {**DOCUMENT, "as_of_date": "2026-W11-5"},
        {**DOCUMENT, "as_of_date": "\u0662026-03-13"},
        {**DOCUMENT, "symbol_map": dict.fromkeys(SYMBOLS, NESTED)},
        {**DOCUMENT, "symbol_map": {s: {"base_asset": 7} for s in SYMBOLS}},
        {**DOCUMENT, "versioned_artifact_manifest_uri": 7},
        {**DOCUMENT, "versioned_artifact_manifest_uri": "file://["},
        {**DOCUMENT, "versioned_artifact_manifest_uri": "gs://x/manifest.json"},
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_wrong_document_takes_the_next_rung(payload):
    pool = load(payload)
    assert (pool.source, pool.degraded) == ("static", True)
    assert len(pool.messages[0]) < 500


def test_a_store_that_fails_in_its_own_way_takes_the_next_rung():
    class Strange(Exception):  # noqa: N818  a foreign library's
        def __str__(self):
            raise RuntimeError("cannot say")

    def read():
        raise Strange

    pool = Reader().load(read)
    assert pool.source == "static"
    assert pool.messages[0].endswith("cannot be read: Strange")


@pytest.mark.parametrize("folder", ["/dev", "/proc/self", "pipe", "%00", "absent"])
def test_only_plain_files_are_read(tmp_path, folder):
    if folder == "pipe":
        os.mkfifo(tmp_path / "artifact_manifest.json")
        folder = tmp_path
    uri = f"file://{folder}/artifact_manifest.json"
    reader = Reader(today=lambda: DAY)
    stable = json.loads(FILES["live_pool.json"])
    pool = reader.load(lambda: {**stable, "versioned_artifact_manifest_uri": uri})
    assert pool.source == "static"


def test_a_document_of_a_file_is_bounded(tmp_path):
    path = tmp_path / "document.json"
    for data in (DEEP.encode(), b" " * (consumer.MOST_BYTES + 1), b"\xff"):
        path.write_bytes(data)
        with pytest.raises(PoolError):
            consumer.document_file(path)()
        pool = Reader(local_files=(path,), last_known_good=path).load(lambda: None)
        assert pool.source == "static"


def test_nothing_of_a_pool_can_be_changed():
    pool = load()
    with pytest.raises(TypeError):
        pool.bases["TRXUSDT"] = "SCAM"
    with pytest.raises(AttributeError):
        pool.symbols = ()
    mapping = dict(pool.bases)
    mine = consumer.Pool(**{**vars(pool), "bases": mapping})
    mapping["TRXUSDT"] = "SCAM"
    assert mine.bases["TRXUSDT"] == "TRX"


# --- any change at all

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(SYMBOLS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def altered_bytes(draw, data):
    """`data` with a stretch of it replaced."""
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 12)))
    return data[:start] + draw(st.binary(max_size=12)) + data[end:]


@st.composite
def altered_value(draw, value):
    """`value` with some of what is in it replaced, dropped or added."""
    changed = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 3))):
        place = changed
        key = draw(st.sampled_from(sorted(place)))
        while isinstance(place[key], dict) and place[key] and draw(st.booleans()):
            place = place[key]
            key = draw(st.sampled_from(sorted(place)))
        match draw(st.sampled_from(["replace", "drop", "add"])):
            case "replace":
                place[key] = draw(JSON)
            case "drop" if len(place) > 1:
                del place[key]
            case _:
                place[draw(st.text(max_size=12))] = draw(JSON)
    return changed


def never_altered(pool):
    """Fresh is only what says just what was published."""
    assert pool.source in {"fresh_upstream", "static"}
    if pool.source == "fresh_upstream":
        assert told(pool) == TRUE


@given(st.data())
@settings(max_examples=100)
def test_altered_bytes_of_the_manifest_are_never_fresh_with_other_content(data):
    raw = data.draw(altered_bytes(FILES["artifact_manifest.json"]))
    never_altered(load(bucket=Bucket(artifact_manifest__json=raw)))


@given(altered_value(MANIFEST))
@settings(max_examples=100)
def test_altered_values_of_the_manifest_are_never_fresh_with_other_content(manifest):
    pool = load(bucket=with_manifest(**manifest))
    never_altered(pool)
    raw = json.dumps(manifest).encode()
    never_altered(load(bucket=Bucket(artifact_manifest__json=raw)))


@given(st.data())
@settings(max_examples=100)
def test_altered_bytes_of_the_document_are_never_fresh_with_other_content(data):
    raw = data.draw(altered_bytes(json.dumps(DOCUMENT).encode()))
    reader = Reader(today=lambda: DAY, fetch=Bucket().fetch)
    never_altered(reader.load(lambda: json.loads(raw)))


@given(altered_value(DOCUMENT))
@settings(max_examples=100)
def test_altered_values_of_the_document_are_never_fresh_with_other_content(payload):
    never_altered(load(payload))


@given(JSON, JSON)
def test_whatever_a_document_and_a_manifest_hold_nothing_is_raised(payload, manifest):
    raw = json.dumps(manifest).encode()
    assert load(payload, bucket=Bucket(artifact_manifest__json=raw)).source == "static"


@given(st.data())
@settings(max_examples=60)
def test_altered_bytes_in_a_local_store_are_never_fresh(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("store")
    store = LocalReleaseStore(root)
    store.create_release(MANIFEST["version"], FILES)
    store.point_current(MANIFEST["version"], FILES)
    name = data.draw(st.sampled_from(sorted(FILES)))
    raw = data.draw(altered_bytes(FILES[name]))
    (store.root / "releases" / MANIFEST["version"] / name).write_bytes(raw)
    payload = document.summary(
        ReleaseFiles(FILES).pool, store, generated_at=datetime.now(UTC)
    )
    pool = Reader(today=lambda: DAY).load(lambda: payload)
    never_altered(pool)
    if name != "artifact_manifest.json" and raw != FILES[name]:
        assert pool.source == "static"


def test_a_signed_manifest_is_asked_for_its_signature(tmp_path):
    key = Ed25519PrivateKey.generate()
    private = tmp_path / "key.pem"
    private.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    public = key.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    bucket = Bucket()
    raw = FILES["artifact_manifest.json"]
    bucket.files["artifact_manifest.json.sig"] = signing.sign(raw, key_file=private)
    assert load(bucket=bucket, public_key=public).source == "fresh_upstream"
    for broken in (b"", b"!", None, b"A" * 88, b"\xff"):
        bucket.files["artifact_manifest.json.sig"] = broken
        assert load(bucket=bucket, public_key=public).source == "static"
    assert load(bucket=bucket, public_key=b"no key").source == "static"
