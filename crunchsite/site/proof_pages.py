"""The public pages of proofs: verify a bundle in the browser; who witnesses the log."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from crunchsite.bundles.kept_bundle import newest_bundle
from crunchsite.bundles.period_facts import ExportError
from crunchsite.site.asked import chosen, required
from crunchsite.site.frame import page, public
from proofs.key_leaves import vkeys
from proofs.models import Cosignature, LogCheckpoint, LogTimestamp, Witness
from proofs.standing import log_troubles
from proofs.witnesses import silent_below, witnessed

VERIFIER = "site/verify.py"
TEXT = "text/plain; charset=utf-8"


@public
def verify_page(request: HttpRequest) -> HttpResponse:
    """Show where a visitor's browser verifies a bundle."""
    competition = chosen(request)
    checkpoint = competition.checkpoints.first() if competition else None
    context = {"competition": competition, "checkpoint": checkpoint, "keys": vkeys()}
    return page(request, "site/verify.html", context)


@require_safe
def bundle_file(request: HttpRequest) -> HttpResponseBase:
    """Return the bundle of the newest checkpoint; 409 with the reason without one."""
    competition = required(chosen(request))
    try:
        file = newest_bundle(competition)
    except ExportError as error:
        return HttpResponse(f"{error}\n", status=error.status, content_type=TEXT)
    return FileResponse(
        file.open("rb"), as_attachment=True, content_type="application/zip"
    )


@require_safe
def verifier_file(_request: HttpRequest) -> HttpResponseBase:
    """Return the program that verifies a bundle, as one file of Python."""
    found = finders.find(VERIFIER)
    assert isinstance(found, str)  # it belongs to this app
    return HttpResponse(Path(found).read_bytes(), content_type="text/x-python")


@dataclass(frozen=True)
class WitnessLine:
    """A witness, and the newest head that it has cosigned."""

    witness: Witness
    size: int | None
    cosigned_at: datetime | None
    is_silent: bool


@public
def witnesses_page(request: HttpRequest) -> HttpResponse:
    """Show by whom the log is witnessed, when last, and what is wrong with it."""
    cosigned = Cosignature.objects.order_by("witness_id", "-head_id")
    newest = {each.witness_id: each for each in cosigned.distinct("witness_id")}
    least = silent_below()
    lines = [
        WitnessLine(
            witness,
            newest[witness.pk].head_id if witness.pk in newest else None,
            newest[witness.pk].cosigned_at if witness.pk in newest else None,
            witness.size < least,
        )
        for witness in Witness.objects.all()
    ]
    context = {
        "competition": chosen(request),
        "witnessed": witnessed(),
        "lines": lines,
        "head": LogCheckpoint.objects.first(),
        "keys": vkeys(),
        "stamp": LogTimestamp.objects.defer("answer").first(),
        "is_stamped": bool(settings.ENV.log_timestamp_url),
        "troubles": log_troubles(),
    }
    return page(request, "site/witnesses.html", context)
