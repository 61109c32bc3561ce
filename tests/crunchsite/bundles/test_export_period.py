"""`coordinator export-period` writes one file, or says why it cannot."""

import pytest

from crunchsite.bundles.period_facts import ExportError
from crunchsite.coordinator import cli
from emissions.models import Checkpoint
from tests.conftest import NOW
from tests.crunchsite.bundles.recorded import HOUR, bundle_of
from tests.scoring.factories import make_competition


@pytest.fixture
def unlogged(db):
    return Checkpoint.objects.create(
        competition=make_competition(NOW),
        period_start=NOW - HOUR,
        period_end=NOW,
        entries=[],
        created_at=NOW,
    )


def test_a_checkpoint_that_the_log_does_not_know_is_refused(unlogged):
    with pytest.raises(ExportError, match="was made before the log began"):
        bundle_of(unlogged)


def test_the_program_refuses_in_words_and_leaves_no_file(unlogged, tmp_path, capsys):
    file = tmp_path / "out.zip"

    def run(*options):
        with pytest.raises(SystemExit) as end:
            cli.main(["export-period", "btc", "--output", str(file), *options])
        return end.value.code, capsys.readouterr().err

    assert run() == (5, f"Error: {unlogged} was made before the log began.\n")
    code, said = run("--checkpoint", "CKP_0")
    assert (code, said) == (2, "Error: btc has no checkpoint CKP_0.\n")
    assert run("--checkpoint", "x")[0] == 2
    assert [*tmp_path.iterdir()] == []
