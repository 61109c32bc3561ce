"""What the README of each bundle says."""

README = """\
One closed period of a live prediction competition, with all that its payout follows
from. Nobody has to be believed: verify it with

    python verify.py BUNDLE.zip --key VKEY --scorer SCORER.py

verify.py is one file that you can read; every site of this software serves
it at /verify/verify.py. It needs Python 3.11 and the package cryptography. Or use
`coordinator verify BUNDLE.zip`, which needs no site either, or the page /verify/ of the
site, which does it in your browser.

VKEY is the public key of the site's log. Take it from a place that the site cannot
change unseen; without it, the keys are those that manifest.json names.
SCORER.py is the file that scores, as the participants' package has it. The rules in
the log name it by its SHA-256.

manifest.json     which period, keys, witnesses, and where the log's hashes begin
heads.jsonl       signed heads of the log with their cosignatures
leaves.bin        the hashes of the log's entries from manifest.start to manifest.end
entries.jsonl     entries of the log: keys, rules, rounds, closed periods, checkpoint
tape.jsonl        when records of the tape closed, and the prices that gave truths
rounds.jsonl      each round: its truth, each answer with its nonce, and its score
snapshots.jsonl   what each model's scores of a snapshot period add up to
checkpoint.json   the ranking, who is not paid and why, the emission, its transaction
ledger.jsonl      what is due, was moved, and was paid

Numbers are texts that begin with #, so that they are exact. The format is described in
docs/integrator/bundle.md of the software's repository.
"""
