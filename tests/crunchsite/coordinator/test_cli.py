"""`coordinator`: manners, exit codes, and nothing asked without a terminal."""

import json
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner
from django.conf import settings

from crunchsite.coordinator import cli, init, preflight
from tests.warm import manage


def run(*arguments):
    found = manage("coordinator", *arguments)
    return found.returncode, found.stdout, found.stderr


def exit_code(*arguments):
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    return left.value.code


def test_help_fits_a_screen(capsys):
    assert exit_code("--help") in {0, None}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 88


@pytest.mark.parametrize(
    ("folder", "edge"),
    [
        ("crunchsite/coordinator", "terminal.py"),
        ("templates/workspace/challenge/package", "command_line.py"),
    ],
)
def test_what_is_said_goes_through_one_edge(folder, edge):
    """There a stranger's text is cleaned; a carriage return alone is our own."""
    telling = {
        file.name
        for file in (settings.BASE_DIR / folder).glob("*.py")
        for line in file.read_text().splitlines()
        if "click.echo(" in line and '"\\r"' not in line
    }
    assert telling == {edge}


def test_a_misspelt_command_is_met_with_the_near_one(capsys):
    assert exit_code("inti") == 2
    assert "Did you mean init?" in capsys.readouterr().err


def test_a_workspace_from_the_command_line(tmp_path):
    code, out, err = run(
        *("init", "btc-trader", "--pack", "realtime", "--layout", "thin"),
        *("--output", tmp_path),
    )
    assert (code, out) == (0, f"{tmp_path}/btc-trader\n")
    assert "confirmed" in err
    node = tmp_path / "btc-trader" / "crunch-node-btc-trader"
    example = (node / ".local.env.example").read_text()
    assert "CHECKPOINT_INTERVAL_SECONDS=15\n" in example


def test_a_dry_run_prints_the_tree_and_writes_nothing(tmp_path, capsys):
    arguments = ("init", "x", "--layout", "thin", "--output", tmp_path, "--dry-run")
    assert exit_code(*arguments) in {0, None}
    assert "x/crunch-node-x/config/callables.env\n" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_packs_are_listed_with_their_words(capsys):
    assert exit_code("init", "--list-packs") in {0, None}
    lines = capsys.readouterr().out.splitlines()
    assert lines == sorted(lines)
    assert all(line.startswith("- ") and ": " in line for line in lines)


def test_a_pack_of_a_folder(tmp_path):
    folder = tmp_path / "hourly"
    folder.mkdir()
    pack = json.loads(init.packs.load("baseline").model_dump_json())
    (folder / "pack.json").write_text(json.dumps(pack | {"id": "hourly"}))
    arguments = ("init", "x", "--layout", "thin", "--output", tmp_path)
    assert exit_code(*arguments, "--pack", folder) in {0, None}
    assert json.loads((tmp_path / "x" / "spec.json").read_text())["pack"] == "hourly"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["init"], 2, "name is missing"),
        (["init", "Btc"], 2, "lower-case letters"),
        (["init", "x", "--pack", "none"], 2, "the packs are baseline"),
        (["init", "x", "--pack", "./none"], 2, "cannot be read"),
        (["init", "x", "--layout", "fat"], 2, "fat"),
        (["init", "x", "--answers", "none.json"], 2, "No such file"),
        (["init", "x", "--output", "/proc/none"], 2, "cannot be written"),
        (["preflight", "--ports", "http"], 2, "write 1 to 65535"),
        (["preflight", "--ports", "0"], 2, "write 1 to 65535"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments, code, words, capsys):
    assert exit_code(*arguments) == code
    assert words in capsys.readouterr().err


def test_an_answers_file_and_a_name_must_agree(tmp_path, capsys):
    answers = tmp_path / "a.json"
    answers.write_text('{"name": "y"}')
    assert exit_code("init", "x", "--answers", answers, "--output", tmp_path) == 2
    assert "the file says 'y'" in capsys.readouterr().err


def test_an_undecided_point_is_named_and_fails(tmp_path, capsys):
    answers = tmp_path / "a.yml"
    answers.write_text("name: x\nmodel_base_classname: null\n")
    assert exit_code("init", "--answers", answers, "--output", tmp_path / "out") == 1
    assert "Model interface: model_base_classname" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_existing_workspace_fails_without_force(tmp_path):
    arguments = ("init", "x", "--layout", "thin", "--output", tmp_path)
    assert exit_code(*arguments) in {0, None}
    assert exit_code(*arguments) == 1
    assert exit_code(*arguments, "--force") in {0, None}


def test_with_a_terminal_the_name_is_asked_first(tmp_path, monkeypatch):
    monkeypatch.setattr(init, "_is_terminal", lambda: True)
    answered = "Bad Name\nbtc-trader\n\n\n\n\n\n\n30\n\n\n"
    found = CliRunner().invoke(
        init.command, ["--layout", "thin", "--output", str(tmp_path)], input=answered
    )
    assert found.exit_code == 0, found.output
    assert found.output.startswith("What should the competition be called?")
    spec = json.loads((tmp_path / "btc-trader" / "spec.json").read_text())
    assert spec["checkpoint_interval_seconds"] == 30
    assert spec["confirmed"]


@pytest.mark.parametrize("pack", ["baseline", "realtime", "trading"])
def test_enter_at_each_question_gives_what_the_pack_has(pack, tmp_path, monkeypatch):
    def spec(place, **options):
        arguments = ["x", "--pack", pack, "--layout", "thin", "--output", str(place)]
        found = CliRunner().invoke(init.command, arguments, **options)
        assert found.exit_code == 0, found.output
        return json.loads((place / "x" / "spec.json").read_text()), found.output

    told, _ = spec(tmp_path / "told")
    monkeypatch.setattr(init, "_is_terminal", lambda: True)
    asked, said = spec(tmp_path / "asked", input="\n" * 20)
    assert asked == {**told, "confirmed": True}
    assert ("Means over 1, 3 and 7 days" in said) == (pack == "baseline")
    assert ('{"value": 1.0}' in said) == (pack == "baseline")
    assert ("Signal times return" in said) == (pack != "trading")


def test_ctrl_c_at_a_question_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(init, "_is_terminal", lambda: True)
    monkeypatch.setattr("click.prompt", _interrupted)
    assert exit_code("init", "--output", tmp_path) == 130
    assert list(tmp_path.iterdir()) == []


def _interrupted(*_, **__):
    raise init.click.Abort


def test_a_busy_port_is_named(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert exit_code("preflight", "--ports", f" {port}, ,") == 1
    found = capsys.readouterr()
    assert found.out == f"FAIL  port {port} is taken\n"
    assert f"lsof -nP -iTCP:{port}" in found.err


def test_free_ports_pass(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert exit_code("preflight", "--ports", port) in {0, None}
    assert capsys.readouterr().out == f"OK  port {port} is free\n"


def test_the_default_ports_are_those_of_a_node():
    assert preflight.DEFAULT == "3000,5432,8000,9091"


def test_djangos_commands_are_called_by_their_name():
    code, out, _ = run("create-competition", "--help")
    assert code == 0
    assert "--pack" in out


def test_the_console_script_needs_no_manage_py():
    code = "from crunchsite.coordinator.cli import main; main(['import', '--help'])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "--activate" in found.stdout


def test_init_loads_neither_the_site_nor_its_parts(tmp_path):
    code = (
        "import sys; from crunchsite.coordinator.cli import main\n"
        "try: main(['init', 'hot-days', '--layout', 'thin'])\n"
        "except SystemExit as left: assert not left.code\n"
        "parts = ('celery', 'sqlalchemy', 'numpy', 'competitions.models')\n"
        "print([part for part in parts if part in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(settings.BASE_DIR)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["hot-days", "[]"]
    assert [path.name for path in tmp_path.iterdir()] == ["hot-days"]


def test_the_port_of_this_site_is_looked_at(settings):
    settings.ENV = settings.ENV.model_copy(update={"port": 8155})
    assert preflight.default_ports() == [3000, 5432, 8155, 9091]
    settings.ENV = settings.ENV.model_copy(update={"port": 8000})
    assert preflight.default_ports() == [3000, 5432, 8000, 9091]


HELP = "`coordinator sample_candles --help` explains the command."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("log-witness", "retire", "x"), 1, "there is no witness with that vkey."),
        (("sample-candles",), 2, f"the following arguments are required: file; {HELP}"),
    ],
)
def test_an_error_of_a_django_command_is_one_line(arguments, code, line, capsys):
    assert exit_code(*arguments) == code
    assert capsys.readouterr().err == f"Error: {line}\n"
