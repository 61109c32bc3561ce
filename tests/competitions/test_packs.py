import json

import pytest

from competitions import packs, slots
from competitions.contract import CrunchConfig
from competitions.errors import PackError, ScheduleError


@pytest.mark.parametrize(
    ("name", "interval_s", "cadences"),
    [
        ("baseline", 60, {"default": (60, 60)}),
        ("realtime", 15, {"realtime-btc": (15, 60)}),
        ("trading", 15, {"trading-btc": (15, 60)}),
        (
            "tournament",
            60,
            {"in-sample-btc": (300, 300), "out-of-sample-btc": (900, 900)},
        ),
    ],
)
def test_a_pack_has_its_true_cadence_and_horizon(name, interval_s, cadences):
    pack = packs.load(name)
    assert pack.checkpoint_interval_seconds == interval_s
    assert {
        c.scope_key: (
            c.schedule.prediction_interval_seconds,
            c.schedule.resolve_horizon_seconds,
        )
        for c in pack.scheduled_prediction_configs
    } == cadences


@pytest.mark.parametrize("name", packs.names())
def test_every_pack_wires_callables_that_resolve(name):
    assert slots.wire(CrunchConfig(), packs.load(name).callables)


def test_an_unknown_pack_lists_the_known_ones():
    with pytest.raises(PackError, match="pack was 'moon'; the packs are baseline"):
        packs.load("moon")


def changed(**changes):
    pack = json.loads(packs.load("baseline").model_dump_json(by_alias=False))
    return json.dumps({**pack, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"callables": {}}, "callables lack GROUND_TRUTH_RESOLVER, INFERENCE_INPUT"),
        (
            {"callables": {**packs.load("baseline").callables, "SCORER": "a:b"}},
            "callables have unknown SCORER; a pack names each of the ten",
        ),
        ({"scheduled_prediction_configs": []}, "scheduled_prediction_configs"),
        ({"id": "other"}, "calls itself 'other'"),
        ({"surprise": 1}, "surprise"),
        ({"contract": "no path"}, "contract"),
    ],
)
def test_a_broken_pack_is_refused_by_name(changes, message):
    with pytest.raises(PackError, match=message):
        packs.parse("baseline", changed(**changes))


def test_a_feed_too_coarse_for_the_horizon_is_refused():
    configs = packs.load("realtime").scheduled_prediction_configs
    packs.check_schedule(configs, feed_granularity="1m")
    with pytest.raises(ScheduleError, match=r"horizon was 60 s but .* last 300 s"):
        packs.check_schedule(configs, feed_granularity="5m")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"{", "is invalid"),
        (b" " * 1_000_001, "has more than 1000000 characters"),
    ],
)
def test_a_folder_whose_pack_cannot_be_read_is_named(tmp_path, data, message):
    folder = tmp_path / "mine"
    folder.mkdir()
    if data is not None:
        (folder / "pack.json").write_bytes(data)
    with pytest.raises(PackError, match=message) as refused:
        packs.find(str(folder))
    assert "mine" in str(refused.value)


def test_a_pack_of_the_site_is_found_by_its_name_and_others_by_a_path():
    assert packs.find("realtime") is packs.load("realtime")
    with pytest.raises(PackError, match=r"like \./hourly"):
        packs.find("hourly")
    assert packs.find(str(packs.FOLDER / "realtime")).overlay.name == "workspace"
