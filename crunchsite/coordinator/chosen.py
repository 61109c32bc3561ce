"""Which competition of this machine's site a command means."""

from django.conf import settings

from competitions.models import Competition
from core.errors import OperatorError


class CompetitionUnknownError(OperatorError):
    """There is no such competition on this machine's site."""

    code = "competition_unknown"
    status = 404


def competition_named(slug: str) -> Competition:
    """Return the competition of a slug, else the workspace's, else the first one."""
    slug = slug or (settings.WORKSPACE.slug if settings.WORKSPACE else "")
    known = Competition.objects.in_order()
    found = (known.filter(slug=slug) if slug else known).first()
    if found is None:
        raise CompetitionUnknownError(
            f"there is no competition {slug or 'yet'} on this site. `coordinator "
            "import` makes one of a workspace."
        )
    return found
