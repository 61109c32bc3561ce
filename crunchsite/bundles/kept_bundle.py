"""Keep the bundle of each competition's newest checkpoint as a file, for downloads."""

from pathlib import Path

from django.conf import settings
from django.core.cache import cache

from competitions.models import Competition
from core.files import replacing
from crunchsite.bundles.export_period import export_period
from crunchsite.bundles.period_facts import ExportError
from emissions.checkpoint_leaves import settlements_of
from emissions.models import Checkpoint
from scoring.models import Snapshot

MOST_ANSWERS = 100_000  # of a period that is made for a download
NEWEST = 2  # the newest one may wait for a signature
PATIENCE_S = 600  # of who makes one, until another may


def newest_bundle(competition: Competition) -> Path:
    """Return the file of the newest checkpoint's bundle; it is made once.

    Raises ExportError when there is no checkpoint yet, the log has not signed it, it is
    too large to be made here, or somebody makes it at this moment.
    """
    problem = ExportError(f"{competition.slug} has no checkpoint yet.")
    for checkpoint in competition.checkpoints.all()[:NEWEST]:
        try:
            return _kept(checkpoint)
        except ExportError as error:
            problem = error
    raise problem


def _kept(checkpoint: Checkpoint) -> Path:
    slug = checkpoint.competition.slug
    folder = settings.VAR_DIR / "bundles" / slug
    # Each change of what pays it is a step: also another transaction, another share.
    steps = settlements_of(checkpoint).count()
    state = f"{checkpoint.status.lower()}-step{steps}"
    file: Path = folder / f"{slug}-{checkpoint}-{state}.zip"
    if file.exists():
        return file
    snapshots = Snapshot.objects.current().filter(
        model__competition=checkpoint.competition,
        period_start__gte=checkpoint.period_start,
        period_end__lte=checkpoint.period_end,
    )
    answers = sum(snapshots.values_list("expected_count", flat=True))
    if answers > MOST_ANSWERS:
        raise ExportError(
            f"{checkpoint} has {answers} answers, too many for a download; the "
            "operator exports it with `coordinator export-period`."
        )
    if not cache.add(f"bundle:{checkpoint.pk}", True, PATIENCE_S):
        raise ExportError("the bundle is being made; ask again in some seconds.")
    try:
        with replacing(file) as draft, draft.open("wb") as out:
            export_period(checkpoint, out)
    finally:
        cache.delete(f"bundle:{checkpoint.pk}")
    for older in sorted(folder.glob("*.zip"), key=lambda each: each.stat().st_mtime)[
        : -2 * NEWEST
    ]:
        older.unlink(missing_ok=True)
    return file
