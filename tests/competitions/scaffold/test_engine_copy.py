"""The package's rules are the site's, byte for byte, and need little to run."""

import ast
import hashlib
import json
import subprocess
import sys

import pytest
from django.conf import settings

from competitions.models import Competition
from competitions.scaffold import engine_copy
from tests.participants import lay_out

# Of [verify]; imported by nobody else in the package.
EXTRAS = {"cryptography", "rfc8785"}


@pytest.fixture(scope="module")
def challenge(tmp_path_factory):
    """The public package of the trading pack's workspace."""
    folder = tmp_path_factory.mktemp("desk")
    return lay_out(folder, "trading", name="desk") / "challenge"


def test_every_file_is_the_sites_own_byte_for_byte(challenge):
    folder = challenge / "crunch_desk" / "_engine"
    sources = dict(engine_copy._sources())
    assert {"rules/truth_rule.py", "trading/account.py"} < set(sources)
    for path, source in sources.items():
        assert (folder / path).read_bytes() == source.read_bytes(), path


def test_the_digest_is_of_all_files(challenge):
    folder = challenge / "crunch_desk" / "_engine"
    document = json.loads((folder / "DIGEST.json").read_text())
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes())
        for path in folder.rglob("*.py")
    }
    assert document["files"] == {p: d.hexdigest() for p, d in sorted(found.items())}
    lines = (f"{digest}  {path}\n" for path, digest in document["files"].items())
    whole = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert document["digest"] == whole


def test_the_package_needs_numpy_click_and_requests_alone(challenge):
    for path in (challenge / "crunch_desk").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            tops = {name.partition(".")[0] for name in names}
            strangers = tops - sys.stdlib_module_names - {"numpy", "click", "requests"}
            allowed = {"crunch_desk"} if "examples" in path.parts else set()
            if "tlog" in path.parts:
                allowed = EXTRAS
            if path.name == "backtest_result.py":
                allowed = {"pandas"}
            assert strangers <= allowed, path


def run(challenge, code):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=challenge,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", "PYTHONPATH": ""},
    ).stdout


def test_importing_the_package_imports_nothing_heavy(challenge):
    code = "import sys, crunch_desk; print({'numpy','requests'} & {*sys.modules})"
    assert run(challenge, code).strip() == "set()"


def test_the_commands_start_without_numpy(challenge):
    code = "import sys, crunch_desk.commands; print('numpy' in sys.modules)"
    assert run(challenge, code).strip() == "False"


def test_the_rules_are_those_of_the_contract(challenge):
    rules = json.loads((challenge / "crunch_desk" / "rules.json").read_text())
    assert rules["trading"]["trading_fee_pct"] == "0.001"
    assert rules["output_schema"]["required"] == ["action", "amount"]
    assert rules["feed"]["granularity"] == "1s"
    assert rules["window"] == settings.ENV.feed_candles_window
    assert rules["ranking_key"] in rules["windows"]
    period = Competition._meta.get_field("snapshot_period_s").default
    assert rules["snapshot_period_s"] == period


def test_the_schemas_are_those_of_the_contracts_types(challenge):
    folder = challenge / "crunch_desk" / "schemas"
    output = json.loads((folder / "output.schema.json").read_text())
    assert output["title"] == "MarketOrder"
    score = json.loads((folder / "score.schema.json").read_text())
    assert "net_pnl" in score["properties"]
