"""Verify a bundle without a site: each link of it follows from the one before."""

from collections.abc import Sequence
from pathlib import Path

from core.tlog.errors import LogFormatError, ProofError
from core.tlog.note import VerifierKey
from crunchsite.bundles import bundle_format as files
from crunchsite.bundles.bundle_format import BundleError, BundleReader, opened_bundle
from crunchsite.bundles.findings import Verdict
from crunchsite.bundles.log_checks import prove_log
from crunchsite.bundles.payout_checks import check_checkpoint
from crunchsite.bundles.round_checks import RoundChecks, read_tape
from crunchsite.bundles.scorers import NamedScorer
from crunchsite.bundles.snapshot_checks import check_snapshots

# What data of another shape than a bundle's lead to.
MISFITS = (
    *(LogFormatError, ProofError, LookupError, TypeError, ValueError),
    *(AttributeError, OverflowError, RecursionError),
)
_PERIOD = "{checkpoint} of {competition}, {period_start} to {period_end}"


def verify_bundle(
    path: Path, *, keys: Sequence[VerifierKey] = (), scorer: Path | None = None
) -> Verdict:
    """Return what holds of the bundle at a path; raises BundleError for what is none.

    `keys` are public keys, of the log or of witnesses, that are known from elsewhere.
    `scorer` is the file of the scorer, which is run if it is the one that the rules
    name.
    """
    with opened_bundle(path) as bundle:
        try:
            return _verify(bundle, keys, scorer)
        except MISFITS as error:
            raise BundleError(
                f"{path} is no bundle that can be read: {error!r:.200}."
            ) from None


def _verify(
    bundle: BundleReader, keys: Sequence[VerifierKey], scorer: Path | None
) -> Verdict:
    findings = Verdict()
    manifest = bundle.one(files.MANIFEST)
    told = (manifest["format"], manifest["version"])
    if told != (files.FORMAT, files.VERSION):
        raise BundleError(
            f"it is {told[0]!r:.40} of version {told[1]!r:.40}; this reads "
            f"{files.FORMAT} of "
            f"version {files.VERSION}."
        )
    findings.of = _PERIOD.format_map(manifest)
    log = prove_log(bundle, manifest, findings, keys)
    made = log.of_kind["checkpoint"]
    rules = log.rules(made[0]["rules"]) if made else {}
    if not findings.check(
        "rules", rules, "the checkpoint or its rules are not in the log"
    ):
        return findings
    rounds = RoundChecks(
        log=log,
        rules=rules,
        tape=read_tape(bundle, manifest, findings),
        findings=findings,
        scorer=NamedScorer(rules, scorer),
    )
    rounds.check(bundle, is_whole=manifest["of"] is None)
    logged = sorted(entry["round"] for entry in log.of_kind["round"])
    shown = sorted(rounds.seen)
    wrong = f"entries are of the rounds {logged}, rows of {shown}"
    findings.check("predictions", logged == shown, wrong)
    contents = check_snapshots(bundle, log, rules, rounds.scored, findings)
    check_checkpoint(
        bundle,
        manifest=manifest,
        log=log,
        rules=rules,
        contents=contents,
        findings=findings,
    )
    return findings
