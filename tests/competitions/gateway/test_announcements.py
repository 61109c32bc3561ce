"""Announced models: missing fields get defaults, invalid models are skipped."""

import pytest

from competitions.gateway.announcements import identity_of, models_of

RUNNING = {"model_id": "a", "state": "RUNNING", "ip": "unix", "port": "/a.sock"}


@pytest.mark.parametrize("data", [None, 7, "text", {"model_id": "a"}])
def test_data_that_is_no_list_has_no_models(data):
    assert models_of(data) is None


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {},
        {**RUNNING, "model_id": None},
        {**RUNNING, "model_id": ""},
        {**RUNNING, "model_id": "a\nb"},
        {**RUNNING, "model_id": "m" * 121},
        {**RUNNING, "state": "DANCING"},
    ],
)
def test_an_invalid_entry_is_skipped_and_its_neighbours_stay(entry):
    assert [m["model_id"] for m in models_of([entry, RUNNING])] == ["a"]


def test_what_is_missing_gets_a_default():
    (model,) = models_of([{"model_id": 7, "state": "STOPPED"}])
    assert (model["model_id"], model["deployment_id"]) == ("7", "unknown-deployment")
    assert model["infos"]["cruncher_name"] == "Unknown"
    assert model["infos"]["socket_uid"] is None
    assert model["error"] == ""


@pytest.mark.parametrize(
    ("port", "taken"), [(0, 0), (65_535, 65_535), (-5, "-5"), (65_536, "65536")]
)
def test_a_port_is_a_number_of_16_bits_or_else_text(port, taken):
    (model,) = models_of([{**RUNNING, "port": port}])
    assert model["port"] == taken


@pytest.mark.parametrize(("uid", "taken"), [(7, 7), ("7", None), (True, None)])
def test_only_a_whole_number_is_a_user(uid, taken):
    (model,) = models_of([{**RUNNING, "infos": {"socket_uid": uid}}])
    assert model["infos"]["socket_uid"] == taken


def test_a_connections_error_stands_before_the_orchestrators():
    (model,) = models_of([{**RUNNING, "error": "quarantined"}])
    assert identity_of(model, error="").error == "quarantined"
    assert identity_of(model, error="no route").error == "no route"
