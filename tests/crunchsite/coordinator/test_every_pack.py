"""Each pack in each layout: its own tests pass, doctor finds nothing, nothing leaks.

The callables are tried in this process, as `callables_child` tries them in its own;
test_doctor.py starts that.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from competitions import packs
from competitions.config_loader import reset_cache as forget_contract
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.render import Workspace
from crunchsite.coordinator.checkup import callables_child, callables_trial
from crunchsite.coordinator.checkup.layout_files import check_files, check_spec
from crunchsite.coordinator.checkup.leaks import check_leaks
from crunchsite.coordinator.checkup.line import Line
from crunchsite.coordinator.checkup.node_variables import read_node
from crunchsite.coordinator.checkup.schedule_fit import check_schedule
from crunchsite.settings.workspace import read_workspace

LAYOUTS = ("vendored", "thin", "base")
EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
# Their callables are the node's, which a thin one has not.
OF_FOLDERS = [(str(each.parent), "base") for each in EXAMPLES.glob("*/pack.json")]
COMBINATIONS = [
    *((pack, layout) for pack in packs.names() for layout in LAYOUTS),
    *sorted(OF_FOLDERS),
]
IDS = [f"{Path(pack).name}-{layout}" for pack, layout in COMBINATIONS]
SLOTS_OWN = {"vendored": 5, "thin": 3, "base": 5}
# Its service is not up here, and an order of texts can be made up by nobody.
CANNOT_BE_TRIED = {"text-sentiment": ["slot_raised", "scorer_doubtful"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A node for each combination; no engine is copied, test_render.py sees to that."""
    folder = tmp_path_factory.mktemp("made")
    nodes = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "competitions.scaffold.vendor.copy_engine", lambda target: target.mkdir()
        )
        for pack, layout in COMBINATIONS:
            found = packs.find(pack)
            answers = parse_answers({"name": f"{found.id}-{layout}", "layout": layout})
            root = Workspace(with_pack(answers, found)).write(folder)
            nodes[pack, layout] = read_workspace(str(root))
    return nodes


@pytest.fixture
def tried(settings, monkeypatch):
    """Return a function that tries a node's callables here, as doctor's child does."""
    own = set(sys.modules)

    def try_them(node, env):
        for place in (node.challenge, node.node):
            monkeypatch.syspath_prepend(str(place))
        settings.ENV = env
        settings.CALLABLE_PACKAGES = (*settings.CALLABLE_PACKAGES, *node.packages)
        forget_contract()
        lines = []
        callables_child._try_all(
            callables_trial._question(node, env),
            lambda *line: lines.append(Line(*line)),
        )
        return lines

    yield try_them
    forget_contract()
    for name in set(sys.modules) - own:
        if name.partition(".")[0].startswith(
            ("runtime_definitions", "plugins", "crunch_")
        ):
            del sys.modules[name]


@pytest.mark.parametrize(("pack", "layout"), COMBINATIONS, ids=IDS)
def test_doctor_finds_nothing_in_a_new_workspace(made, tried, pack, layout):
    node = made[pack, layout]
    env, lines = read_node(node)
    lines += check_spec(node.spec_file, is_whole=True)
    lines += check_files(node)
    lines += check_leaks(node)
    lines += check_schedule(node, env)
    lines += tried(node, env)
    bad = [line for line in lines if line.level in ("WARN", "FAIL")]
    expected = CANNOT_BE_TRIED.get(node.pack, [])
    assert [line.code for line in bad] == expected, [str(line) for line in bad]
    assert sum(line.code == "slot" for line in lines) == 10
    assert sum(line.code == "slot_call" for line in lines) >= SLOTS_OWN[layout]


def test_the_tests_of_every_public_package_pass(made):
    challenges = [
        node.challenge for node in made.values() if (node.challenge / "tests").is_dir()
    ]
    assert len(challenges) == 2 * len(packs.names()) + len(OF_FOLDERS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "no:django", "--import-mode=importlib", "-c", os.devnull),
            *(str(challenge / "tests") for challenge in challenges),
        ],
        cwd=challenges[0],
        env={
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(map(str, challenges)),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    [passed] = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) >= 2 * len(challenges), done.stdout
