"""Operators see what was submitted, and what its check found, as text, not HTML."""

import pytest

from competitions.models import SubmittedVersion
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
PAGE = "/admin/competitions/submittedversion/"


def test_a_refused_version_is_shown_with_its_problems(admin_client, frozen_clock):
    model = factories.participants(factories.competition(), 1, at=NOW)[0]
    row = SubmittedVersion.objects.create(
        competition=model.competition,
        cruncher=model.cruncher,
        model_id="mine",
        version=3,
        status="REFUSED",
        code="check_answers_failed",
        reason="ValueError: no",
        created_at=NOW,
        result={
            "rounds": 40,
            "answered": 0,
            "problems": [{"text": "<b>no</b>", "count": 40}],
            "log": "<script>1</script>",
        },
    )
    listed = admin_client.get(PAGE).content.decode()
    assert "check_answers_failed" in listed
    page = admin_client.get(f"{PAGE}{row.pk}/change/").content.decode()
    assert '<pre class="op-log">40 x &lt;b&gt;no&lt;/b&gt;</pre>' in page
    assert '<pre class="op-log">&lt;script&gt;1&lt;/script&gt;</pre>' in page
    assert "answered: 0" in page


def test_a_version_that_waits_has_nothing_to_show_yet(admin_client, frozen_clock):
    model = factories.participants(factories.competition(), 1, at=NOW)[0]
    row = SubmittedVersion.objects.create(
        competition=model.competition,
        cruncher=model.cruncher,
        model_id="mine",
        version=1,
        created_at=NOW,
    )
    page = admin_client.get(f"{PAGE}{row.pk}/change/").content.decode()
    assert "op-log" not in page
