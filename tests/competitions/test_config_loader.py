import pytest

from competitions.config_loader import load_config
from competitions.contract import CrunchConfig
from competitions.errors import ContractError

HERE = "tests.competitions.callables"


def test_without_a_path_the_engines_contract_is_used():
    assert type(load_config()) is CrunchConfig


def test_a_class_is_instantiated_and_an_instance_taken_as_it_is():
    from tests.competitions.callables import instance

    assert load_config(f"{HERE}:Contract").crunch_pubkey == "from-contract"
    assert load_config(f"{HERE}:instance") is instance


def test_the_environment_names_the_contract(settings):
    settings.ENV = settings.ENV.model_copy(
        update={"crunch_config_module": f"{HERE}:Contract"}
    )
    assert load_config().crunch_pubkey == "from-contract"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere_at_all:X", "No module named 'nowhere_at_all'"),
        (f"{HERE}:Missing", "has no attribute 'Missing'"),
        (f"{HERE}:not_callable", "was a int; it must be a CrunchConfig"),
        (f"{HERE}:Broken", "max_ground_truth_staleness_fraction"),
    ],
)
def test_a_broken_contract_is_an_error_never_the_default(path, message):
    with pytest.raises(ContractError, match=message):
        load_config(path)


def test_an_operators_module_that_is_broken_is_an_error(tmp_path, monkeypatch):
    package = tmp_path / "runtime_definitions"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "contracts.py").write_text("import missing_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ContractError, match="missing_dependency"):
        load_config()
