"""The file for strangers comes to the same end, with its own code alone."""

import ast
import re
import runpy
import sys

import pytest

from crunchsite.coordinator import export_period, verify
from tests.crunchsite.bundles.recorded import SCORER, WITNESS
from tests.crunchsite.bundles.tampering import (
    NAMES,
    TAMPERINGS,
    OpenBundle,
    changed_reason,
    changed_result,
)

pytestmark = pytest.mark.django_db  # where the bundle is recorded
FILE = "crunchsite/static/site/verify.py"


@pytest.fixture
def run(recorded, tmp_path, monkeypatch, capsys):
    """Run it on a bundle's bytes; return the exit code and what it prints."""

    def verify(data, *options):
        path = tmp_path / "bundle.zip"
        path.write_bytes(data)
        monkeypatch.setattr(sys, "argv", ["verify.py", str(path), *options])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(recorded.root / FILE), run_name="__main__")
        said = capsys.readouterr()
        return int(end.value.code), said.out + said.err

    return verify


def test_it_needs_the_standard_library_and_cryptography_alone(recorded):
    tree = ast.parse((recorded.root / FILE).read_text())
    roots = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module]
            if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names]
        )
    }
    assert roots - sys.stdlib_module_names == {"cryptography"}


def test_all_of_a_bundle_follows(recorded, run):
    options = ("--key", recorded.key, "--scorer", str(recorded.root / SCORER))
    code, said = run(recorded.whole, *options)
    assert (code, said.splitlines()[-1]) == (0, "All that was done follows.")
    assert "ok        scores: 44 of 44 hold" in said
    code, said = run(recorded.part, *options)
    assert (code, said.splitlines()[-1]) == (0, "All that was done follows.")
    assert "ok        scores: 11 of 11 hold" in said


def test_a_scorer_that_changed_within_the_period_is_said(recorded, run):
    scorer = str(recorded.root / SCORER)
    code, said = run(recorded.changed, "--scorer", scorer)
    assert (code, said.splitlines()[-1]) == (0, "All that was done follows.")
    assert "NOT DONE  scores: of rounds that were asked while another scorer" in said


def test_what_accounts_gained_is_added_up_by_strangers_too(recorded, run):
    code, said = run(recorded.traded)
    assert (code, said.splitlines()[-1]) == (0, "All that was done follows.")


def test_a_ranking_by_a_figure_of_all_rounds_is_no_accusation(recorded, run):
    code, said = run(recorded.by_drawdown)
    assert (code, said.splitlines()[-1]) == (0, "All that was done follows.")
    assert "max_drawdown of a period does not follow from its snapshots" in said


def test_a_checkpoint_that_is_not_settled_to_its_end_is_said(recorded, run):
    code, said = run(recorded.changed)
    assert code == 0
    assert "NOT DONE  transaction: it is SUBMITTED: it is not settled to its" in said
    assert "it is not settled" not in run(recorded.whole)[1]


def test_a_changed_reason_is_named(recorded, run):
    bundle = OpenBundle(recorded.changed)
    changed_reason(bundle)
    code, said = run(bundle.packed())
    assert (code, said.count("FAILED")) == (1, 1)
    (_, found) = said.split("FAILED    ledger: ")
    assert "an amount, a reason or an instant differs" in found


def test_each_field_of_a_result_is_compared(recorded, run):
    bundle = OpenBundle(recorded.whole)
    changed_result(bundle)
    code, said = run(bundle.packed(), "--scorer", str(recorded.root / SCORER))
    (_, found) = said.split("FAILED    scores: ")
    assert (code, "the score of a is" in found) == (1, True)


def test_the_commands_of_the_readme_verify_a_bundle(recorded, run, monkeypatch):
    monkeypatch.chdir(recorded.root)
    page = (recorded.root / "README.md").read_text().replace("\\\n", "")
    (options,) = re.findall(rf"python {FILE} var/CKP_1\.zip (.*)$", page, re.MULTILINE)
    code, said = run(recorded.whole, *options.split())
    assert (code, said.splitlines()[-1]) == (0, "All that was done follows.")
    assert "ok        scores: 44 of 44 hold" in said
    (asked,) = re.findall(r"coordinator export-period (.*)$", page, re.MULTILINE)
    export = export_period.command.make_context("export-period", asked.split())
    assert export.params["slug"] == "btc-demo"
    assert "./coordinator verify var/CKP_1.zip\n" in page
    assert verify.command.name == "verify"


def test_what_is_not_done_is_said(recorded, run):
    code, said = run(recorded.whole)
    assert code == 0
    assert "NOT DONE  keys: no --key of the log was given" in said
    assert "NOT DONE  scores: they were not made again" in said


def test_each_kind_of_key_is_pinned_or_said_to_be_told(recorded, run):
    told = "no --key of"
    assert run(recorded.whole, "--key", recorded.key)[1].count(told) == 1
    code, said = run(recorded.whole, "--key", str(WITNESS.key))
    assert (code, said.count(told)) == (0, 1)
    assert f"NOT DONE  keys: {told}" in said


def test_texts_of_a_bundle_write_no_line_of_their_own(recorded, run):
    bundle = OpenBundle(recorded.whole)
    bundle["checkpoint"][0]["status"] = "\x1b[2J\nAll that was done follows."
    code, said = run(bundle.packed())
    assert (code, "\x1b" in said) == (1, False)
    assert "All that was done follows." not in said.splitlines()


@pytest.mark.parametrize("name", ["leaves.bin", "tape.jsonl"])
def test_a_bomb_is_refused(recorded, run, name):
    bundle = OpenBundle(recorded.whole)
    bundle.rows.pop(name, None)
    bundle.files[name] = b"{}\n" * 2**20
    code, said = run(bundle.packed())
    assert code == 2
    assert "too large when it is unpacked" in said


@pytest.mark.parametrize(("change", "step", "words"), TAMPERINGS, ids=NAMES)
def test_each_tampering_is_named(recorded, run, change, step, words):
    bundle = OpenBundle(recorded.whole)
    change(bundle, recorded.signer)
    code, said = run(bundle.packed(), "--scorer", str(recorded.root / SCORER))
    assert code == 1
    (_, found) = said.split(f"FAILED    {step}: ")
    assert words in found
