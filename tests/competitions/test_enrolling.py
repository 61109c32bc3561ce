"""A participant without a model gets the next index, and a key."""

import pytest
from django.core.management import call_command

from competitions.enrolling import CruncherInvalidError, enrol
from crunchsite.keys.models import ApiKey
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_newcomer_gets_the_next_index_once(frozen_clock):
    competition = factories.competition()
    first = enrol(competition=competition, cruncher_id="zoe")
    assert (first.name, first.cruncher_index) == ("zoe", 0)
    second = enrol(competition=competition, cruncher_id="yann")
    assert second.cruncher_index == 1
    assert enrol(competition=competition, cruncher_id="zoe") == first


@pytest.mark.parametrize("cruncher_id", ["", "a b", "../x", "x" * 101, "z\0"])
def test_an_id_that_nobody_can_read_is_refused(frozen_clock, cruncher_id):
    with pytest.raises(CruncherInvalidError, match="cruncher was"):
        enrol(competition=factories.competition(), cruncher_id=cruncher_id)


def test_a_key_enrols_its_cruncher(frozen_clock, capsys):
    factories.competition()
    options = ("--scope", "write:models", "--competition", "btc-demo")
    call_command("key", "create", "zoe", *options, "--cruncher", "zoe", "--enrol")
    assert capsys.readouterr().out.startswith("csk_")
    assert ApiKey.objects.get().cruncher.cruncher_id == "zoe"
