import importlib
import sys

import pytest

from competitions.config_loader import load_config, load_contract, reset_cache
from competitions.contract import CrunchConfig
from competitions.errors import ContractError

HERE = "tests.competitions.own_callables"


def test_without_a_path_the_engines_contract_is_used():
    assert type(load_config()) is CrunchConfig


def test_a_class_is_instantiated_and_an_instance_taken_as_it_is():
    from tests.competitions.own_callables import instance

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
        ("nowhere_at_all:X", "'nowhere_at_all' is in none of the packages"),
        (f"{HERE}:Missing", "has no Missing"),
        (f"{HERE}:not_callable", "was a int; it must be a CrunchConfig"),
        (f"{HERE}:Broken", "max_ground_truth_staleness_fraction"),
    ],
)
def test_a_broken_contract_is_an_error_never_the_default(path, message):
    with pytest.raises(ContractError, match=message):
        load_config(path)


@pytest.fixture
def operators(tmp_path, monkeypatch):
    """Writes an operator's package: `operators(contracts="...", __init__="...")`."""

    def write(**files):
        package = tmp_path / "runtime_definitions"
        package.mkdir()
        for name, text in {"__init__": "", **files}.items():
            (package / f"{name}.py").write_text(text)

    def forget():
        for name in [m for m in sys.modules if m.startswith("runtime_definitions")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        reset_cache()

    monkeypatch.syspath_prepend(tmp_path)
    forget()
    yield write
    forget()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"contracts": "import missing_dependency\n"}, "missing_dependency"),
        ({"__init__": "import missing_dependency\n"}, "missing_dependency"),
        ({"__init__": "def broken(:\n", "contracts": ""}, "SyntaxError"),
        ({"contracts": "raise SystemExit(2)\n"}, "SystemExit"),
        ({"contracts": "from runtime_definitions import scoring\n"}, "scoring"),
        ({"crunch_config": "1 / 0\n"}, "ZeroDivisionError"),
        ({"contracts": "MY_CONTRACT = 1\n"}, "none of CrunchConfig, CrunchContract"),
        ({"contracts": "CONTRACT = 1\n"}, "was a int; it must be a CrunchConfig"),
        (
            {
                "contracts": "from competitions.contract import CrunchConfig\n"
                "class Mine(CrunchConfig): pass\n"
            },
            "merely imports CrunchConfig; write runtime_definitions.contracts:Mine",
        ),
    ],
)
def test_an_operators_package_that_is_broken_is_an_error(operators, files, said):
    operators(**files)
    for _ in range(2):
        with pytest.raises(ContractError, match=said):
            load_config()


def test_an_operators_package_without_a_contract_leaves_the_engines(operators):
    operators(scoring="def score(prediction, ground_truth): ...")
    assert type(load_config()) is CrunchConfig


_OWN = "from competitions.contract import CrunchConfig\n"


@pytest.mark.parametrize(
    "files",
    [
        {"contracts": _OWN + "CONTRACT = CrunchConfig(crunch_pubkey='mine')\n"},
        {
            "contracts": _OWN
            + "class CrunchContract(CrunchConfig):\n    crunch_pubkey: str = 'mine'\n"
        },
        {
            "contracts": "from competitions.contract import CrunchConfig as Base\n"
            "class CrunchConfig(Base):\n    crunch_pubkey: str = 'mine'\n"
        },
        {"crunch_config": _OWN + "CrunchConfig = CrunchConfig(crunch_pubkey='mine')\n"},
    ],
)
def test_each_accepted_name_of_a_contract_is_found(operators, files):
    operators(**files)
    assert load_config().crunch_pubkey == "mine"


def test_contracts_come_before_crunch_config(operators):
    operators(
        contracts=_OWN + "CONTRACT = CrunchConfig(crunch_pubkey='first')\n",
        crunch_config=_OWN + "CONTRACT = CrunchConfig(crunch_pubkey='second')\n",
    )
    assert load_config().crunch_pubkey == "first"


def test_a_contract_is_loaded_once_until_the_cache_is_reset():
    first = load_config(f"{HERE}:Contract")
    assert load_config(f"{HERE}:Contract") is first
    assert load_contract(f"{HERE}:Contract") is first
    reset_cache()
    assert load_config(f"{HERE}:Contract") is not first


def test_contract_module_is_another_name_of_the_setting(monkeypatch, settings):
    monkeypatch.setenv("CONTRACT_MODULE", f"{HERE}:Contract")
    settings.ENV = type(settings.ENV)()
    assert load_config().crunch_pubkey == "from-contract"
    monkeypatch.setenv("CRUNCH_CONFIG_MODULE", f"{HERE}:instance")
    settings.ENV = type(settings.ENV)()
    assert load_config().crunch_pubkey == ""
