"""The scorers that /verify has in JavaScript are those of the files that are shipped.

When one of the files changes, its port must follow: then its digest is changed here.
"""

import hashlib
import json
import re
from pathlib import Path

from competitions.defaults import scoring_function
from competitions.packs.trading.trading_contract import CONTRACT
from competitions.rules_version import source_digest
from tests.participants import lay_out

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "crunchsite/static/site/verify/scorers.js"
# The port of orders takes what it costs from this file.
COSTS = "competitions/trading/trading_rules.py"
COSTS_DIGEST = "e11838139b467e715079083ab11723e035bb3475ec5304349e71c48e121a74e2"


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ports():
    """Return the file of each digest that the page has a port of."""
    found = re.findall(r'"([0-9a-f]{64})": \{\s+file: "([^"]+)"', PAGE.read_text())
    assert len(found) == PAGE.read_text().count("file:")
    return {file: digest for digest, file in found}


def test_each_port_stands_under_the_digest_of_its_file():
    assert {file: digest_of(ROOT / file) for file in ports()} == ports()
    assert digest_of(ROOT / COSTS) == COSTS_DIGEST


def test_each_scorer_of_a_shipped_pack_has_a_port(tmp_path):
    known = {*ports().values()}
    assert source_digest(scoring_function) in known
    assert source_digest(CONTRACT.scoring_function) in known
    for folder in sorted((ROOT / "competitions/packs").glob("*/pack.json")):
        pack = folder.parent.name
        used = json.loads(folder.read_text())["callables"]["SCORING_FUNCTION"]
        assert used == "competitions.defaults:scoring_function"
        package = lay_out(tmp_path / pack, pack, name=f"{pack}-desk")
        [file] = package.rglob("scoring.py")
        assert digest_of(file) in known
