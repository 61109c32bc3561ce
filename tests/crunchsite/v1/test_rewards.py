import pytest

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


def test_rewards_add_up_to_what_the_checkpoint_pays(world, asked):
    rows = asked("rewards")["results"]
    for checkpoint in world.checkpoints:
        paid = [row for row in rows if row["checkpoint_id"] == checkpoint.pk]
        assert [row["place"] for row in paid] == [1, 2, 3]
        assert sum(row["reward_frac64"] or 0 for row in paid) == 1_000_000_000


def test_rewards_of_one_model(world, asked, walked):
    rows = asked("rewards", model_id="m2")["results"]
    assert [(row["model_id"], row["place"]) for row in rows] == [("m2", 2)] * 2
    assert walked("rewards", model_id="m2", limit=1) == rows


def test_an_ensemble_is_paid_nothing(world, asked):
    world.models[0].is_virtual = True
    world.models[0].save()
    assert {row["model_id"] for row in asked("rewards")["results"]} == {"m2", "m3"}
