"""What the list of rounds says of one that is still open."""

from datetime import timedelta

from django.contrib import admin

from competitions.models import Round
from tests.conftest import NOW


def test_an_instant_that_is_awaited_has_its_day():
    """A horizon may be a week."""
    stage = admin.site.get_model_admin(Round).stage
    round_ = Round(received_at=NOW, status="RECEIVED")
    assert stage(round_) == "models to be asked since 02 Mar 12:00:00"
    round_.performed_at = NOW
    assert stage(round_) == "truth to be posted"
    round_.resolvable_at = NOW + timedelta(days=7)
    assert stage(round_) == "truth expected at 09 Mar 12:00:00"
