"""The demo: made once from the environment, and the operator's from then on."""

import json

import pytest

from competitions import lifecycle
from competitions.models import Competition, ScheduledPrediction
from crunchsite.settings.env import Env
from crunchsite.stack import demo
from crunchsite.stack.errors import StackError
from feeds.models import FeedSubscription
from tests import factories

pytestmark = pytest.mark.usefixtures("db", "frozen_clock")


@pytest.fixture(autouse=True)
def env(settings, tmp_path):
    settings.VAR_DIR = tmp_path

    def change(**values):
        settings.ENV = settings.ENV.model_copy(update=values)

    return change


def test_the_demo_runs_and_pays_from_the_first_start_on():
    made = demo.ensure()
    assert (made.status, made.slug, made.name) == ("ACTIVE", "btc-demo", "BTC demo")
    assert (made.snapshot_period_s, made.emission_interval_s) == (60, 60)
    assert made.crunch_pubkey == "play-money"


def test_a_fast_demo_pays_by_the_hour(env):
    env(clock_speed=20.0)
    made = demo.ensure()
    assert (made.snapshot_period_s, made.emission_interval_s) == (3600, 3600)


def test_a_later_start_undoes_no_edit():
    made = demo.ensure()
    Competition.objects.update(config_path="competitions.contract", score_interval_s=7)
    mine = made.scheduled_predictions
    mine.update(active=False)
    mine.create(
        scope_key="mine",
        scope_template={"subject": "ETHUSDT"},
        prediction_interval_s=30,
        resolve_horizon_s=90,
    )
    before = list(ScheduledPrediction.objects.values()), Competition.objects.values()[0]
    demo.ensure()
    assert before == (
        list(ScheduledPrediction.objects.values()),
        Competition.objects.values()[0],
    )


def test_a_paused_demo_stays_paused():
    lifecycle.pause(competition_id=demo.ensure().pk)
    assert demo.ensure().status == "PAUSED"


def test_subjects_and_kind_choose_what_the_demo_asks_about(env):
    env(feed_subjects="ETHUSDT, SOLUSDT", feed_kind="tick")
    made = demo.ensure()
    assert made.name == "ETH and SOL demo"
    keys = made.scheduled_predictions.values_list("scope_key", flat=True)
    assert list(keys) == ["realtime-ethusdt", "realtime-solusdt"]
    assert sorted(map(str, FeedSubscription.objects.all())) == [
        "simulated:ETHUSDT:tick:1s",
        "simulated:SOLUSDT:tick:1s",
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"feed_kind": "smell"}, "FEED_KIND: kind was 'smell'"),
        ({"feed_subjects": "BTC/USDT"}, "FEED_SUBJECTS: subject was 'BTC/USDT'"),
        ({"feed_source": "nyse"}, "FEED_SOURCE: source was 'nyse'"),
    ],
)
def test_a_demo_that_cannot_run_is_refused_before_it_starts(env, tmp_path, wrong, said):
    env(**wrong)
    with pytest.raises(StackError, match=said):
        demo.check(tmp_path)


def test_other_subjects_need_data_of_their_own(env, tmp_path):
    demo.ensure()
    demo.check(tmp_path)
    env(feed_subjects="ETHUSDT")
    with pytest.raises(StackError, match="FEED_SUBJECTS=BTCUSDT, this one has FEED_S"):
        demo.check(tmp_path)


def test_data_of_an_older_version_are_taken_up(tmp_path):
    older = {"FEED_SOURCE": "simulated", "DEMO_PACK": "realtime"}
    (tmp_path / "demo.json").write_text(json.dumps(older))
    demo.check(tmp_path)


def test_the_pool_is_on_in_a_store_of_this_folder_unless_decided(settings, tmp_path):
    def chosen(**values):
        settings.ENV = Env(_env_file=None, **values)
        return demo.pool_settings()

    assert chosen() == {"PUBLISH_ENABLED": "true"}
    assert chosen(var_dir=tmp_path) == {
        "PUBLISH_ENABLED": "true",
        "LIVEPOOL_OUTPUT_DIR": str(tmp_path / "livepool-output"),
    }
    assert settings.ENV.pool_store_dir == tmp_path / "livepool"
    assert chosen(var_dir=tmp_path, livepool_output_dir=tmp_path) == {
        "PUBLISH_ENABLED": "true"
    }
    assert chosen(publish_enabled=False) == {}
    assert chosen(cloud_bucket="pool") == {}


def test_publishing_is_off_by_default():
    assert Env.model_fields["publish_enabled"].default is False


def test_local_models_of_a_competition_that_is_not_there_are_told_of(env):
    demo.ensure()
    assert demo.models_problem() == ""
    env(local_models_competition="nix")
    missing, lonely = demo.models_problem().splitlines()
    assert missing.startswith("LOCAL_MODELS_COMPETITION was 'nix', and")
    assert "'nix', so btc-demo has no models" in lonely


def test_a_demo_that_lost_its_models_to_another_is_told_of_while_it_is_active(env):
    made = demo.ensure()
    factories.competition(slug="btc-life")
    env(local_models_competition="btc-life")
    assert demo.models_problem().startswith("LOCAL_MODELS_COMPETITION is 'btc-life'")
    lifecycle.pause(competition_id=made.pk)
    assert demo.models_problem() == ""
