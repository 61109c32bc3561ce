"""Shadow histories, tracks, the monthly entry point and offline replay."""

import csv
import hashlib
import json
import socket
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command

from livepool.model.parameters import BASELINE
from livepool.models import Release, ShadowTrack
from livepool.release import publish, rules
from livepool.shadow import history as shadow
from livepool.shadow import offline
from livepool.shadow.review import turnover_in_words
from tests.livepool.conftest import frozen, market

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def tree(panel, django_db_setup, django_db_blocker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    with django_db_blocker.unblock():
        histories = shadow.build_tracks(panel, folder)
        ShadowTrack.objects.all().delete()
    return folder, histories


def index(folder):
    with (folder / "release_index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_track_has_a_release_a_month(tree):
    folder, histories = tree
    for history in histories:
        rows = index(folder / "shadow_candidate_tracks" / history.track.track_id)
        days = [row["as_of_date"] for row in rows]
        assert days == sorted(days)
        assert days[0] == "2024-01-31"
        assert days[-1] == "2024-09-26"
        assert len(days) == 9
        assert tuple(rows[0]) == shadow.INDEX_COLUMNS
        assert rows[0]["pool_churn"] == ""
        assert float(rows[1]["pool_churn"]) == pytest.approx(
            1 - float(rows[1]["pool_stability"])
        )
        assert rows[0]["has_selection_meta"] == "True"
        assert rows[0]["symbols"].count("|") == 4


def test_a_release_is_activated_on_the_next_available_date(tree):
    folder, _ = tree
    rows = index(folder / "shadow_releases")
    assert (rows[0]["as_of_date"], rows[0]["activation_date"]) == (
        "2024-01-31",
        "2024-02-01",
    )
    assert rows[-1]["activation_date"] == rows[-1]["as_of_date"] == "2024-09-26"


def test_the_files_carry_the_track_and_are_refused_for_publication(tree):
    folder, _ = tree
    root = folder / "shadow_candidate_tracks"
    expected = {
        "official_baseline": ("baseline_blended_rank", "official_reference"),
        "challenger_topk_60": ("challenger_topk_60", "shadow_candidate"),
    }
    for track, (profile, status) in expected.items():
        row = index(root / track)[-1]
        for key in ("live_pool_path", "live_pool_legacy_path"):
            payload = json.loads((root / track / row[key]).read_bytes())
            assert list(payload)[-6:] == [
                *("selection_meta", "profile", "source_track", "candidate_status"),
                *("activation_date", "expected_pool_size"),
            ]
            assert (payload["profile"], payload["candidate_status"]) == (
                profile,
                status,
            )
        manifest = json.loads(
            (root / track / row["release_manifest_path"]).read_bytes()
        )
        assert manifest["artifacts"]["live_pool"] == row["live_pool_path"]
        with pytest.raises(rules.ReleaseContractError, match="missing"):
            publish.publish(folder=root / track / row["version"], allow_stale=True)


def test_the_summary_names_both_tracks(tree):
    folder, _ = tree
    with (folder / "shadow_candidate_tracks" / "track_summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == shadow.SUMMARY_COLUMNS
    assert [row["track_id"] for row in rows] == [
        *("official_baseline", "challenger_topk_60")
    ]
    assert [row["target_mode"] for row in rows] == [
        *("blended_rank_pct", "future_topk_label_60")
    ]
    assert rows[0]["release_count"] == "9"


def test_the_history_is_replayed_offline(tree, monkeypatch):
    folder, _ = tree

    def shut(*args, **kwargs):
        raise AssertionError("no network here")

    monkeypatch.setattr(socket, "socket", shut)
    found = list(offline.releases(folder / "shadow_releases"))
    assert [r.as_of_date for r in found] == sorted(r.as_of_date for r in found)
    assert list(found[0].symbols) == found[0].payload()["symbols"]
    on = found[1].activation_date
    active = offline.active_on(folder / "shadow_releases", on)
    assert active.version == found[1].version
    before = offline.active_on(folder / "shadow_releases", on - timedelta(days=1))
    assert before.version == found[0].version
    assert offline.active_on(folder / "shadow_releases", date(2020, 1, 1)) is None


def test_an_old_release_does_not_stay_behind(panel, tmp_path):
    folder = tmp_path / "track"
    (folder / "2000-01-01-core_major").mkdir(parents=True)
    shadow.write_history(panel, BASELINE, folder)
    assert not (folder / "2000-01-01-core_major").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["track"]


def test_the_monthly_entry_point_leaves_reports_and_touches_no_store(
    tmp_path, env, capsys
):
    market(1000).write_parquet(tmp_path / "candles.parquet")
    output, store = tmp_path / "output", tmp_path / "store"
    env(livepool_output_dir=output, livepool_store_dir=store)
    with frozen(datetime(2024, 9, 1, 3, 15, tzinfo=UTC)):
        call_command(
            "publish_live_pool", candles=tmp_path / "candles.parquet", as_of=None
        )
    kept = {p: p.read_bytes() for p in store.rglob("*") if p.is_file()}
    live = hashlib.sha256((output / "live_pool.json").read_bytes()).hexdigest()
    with frozen(datetime(2024, 9, 10, tzinfo=UTC)):
        call_command(
            "run_monthly_shadow_build",
            as_of_date=date(2024, 8, 31),
            candles=tmp_path / "candles.parquet",
        )
    out = capsys.readouterr().out
    assert "track    challenger_topk_60: 8 releases, last 2024-08-31" in out
    assert {p: p.read_bytes() for p in store.rglob("*") if p.is_file()} == kept
    assert hashlib.sha256((output / "live_pool.json").read_bytes()).hexdigest() == live
    assert Release.objects.count() == 1
    summary = json.loads((output / "monthly_shadow_build_summary.json").read_bytes())
    assert summary["as_of_date"] == "2024-08-31"
    assert summary["official_baseline"]["publish_manifest_path"].endswith(
        "release_manifest.json"
    )
    review = (output / "monthly_review.md").read_text()
    assert review.startswith("# Live pool 2024-08-31-core_major")
    for part in ("Why each coin is in", "At the boundary", "Shadow tracks"):
        assert part in review
    tracks = ShadowTrack.objects.values_list("track_id", "release_count")
    assert sorted(tracks) == [("challenger_topk_60", 8), ("official_baseline", 8)]


def test_the_review_tells_an_unknown_turnover_from_none():
    assert [turnover_in_words(each) for each in (None, 0.0, 2.5e8)] == [
        *("-", "0 M USDT", "250 M USDT")
    ]
