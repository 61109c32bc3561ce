"""A factory is refused by its variable, its path and the cause."""

import pytest

from core.service_factories import (
    FactoryRefusedError,
    call_factory,
    find_factory,
    make_service,
)
from tests.own_services import Counting

HERE = "tests.own_services"


def make(name):
    return make_service(
        "X_FACTORY", name, method="run_once", takes=("competition", "gateway")
    )


def test_a_factory_makes_the_service():
    assert isinstance(make(f"{HERE}:Counting"), Counting)


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("nowhere", "give module.path:callable"),
        ("os:getcwd", "is in none of the packages that callables may come from"),
        (f"{HERE}:Absent", f"{HERE} has no Absent"),
        (f"{HERE}:NUMBER", "it is no callable; give it()"),
        (f"{HERE}:with_argument", "it cannot be called as it(): missing a required"),
        (f"{HERE}:raising", "raised: RuntimeError: the desk is closed"),
        (f"{HERE}:leaving", "it left with SystemExit"),
        (f"{HERE}:Idle", "what it makes has no run_once; give run_once(competition,"),
        (f"{HERE}:Narrow", "as run_once(competition, gateway): too many positional"),
    ],
)
def test_what_makes_no_such_service_is_refused(path, cause):
    with pytest.raises(FactoryRefusedError) as refused:
        make(path)
    assert str(refused.value).startswith(f"X_FACTORY was {path!r}")
    assert cause in str(refused.value)


def test_finding_one_calls_nothing():
    factory = find_factory("X_FACTORY", f"{HERE}:raising")
    with pytest.raises(FactoryRefusedError, match="the desk is closed"):
        call_factory("X_FACTORY", "it", factory)
