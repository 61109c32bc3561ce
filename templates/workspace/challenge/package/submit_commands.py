"""The commands `push`, `quota` and `status`: models are submitted, and how they fare."""

import sys
import time

import click

from ._engine.texts import counted
from .command_line import Seconds, client_of, lists, note, tell
from .problems import InvalidInput, Problem, Refused, Unreachable

LOOK_S = 2.0
WAITS = ("QUEUED", "CHECKING")


@click.command()
@click.argument("path", type=click.Path(exists=True))
@click.option("--name", help="The model's name; the folder's without.")
@click.option("-m", "--message", default="", help="What is new in it, for you.")
@click.option("--yes", is_flag=True, help="Give consent without being asked.")
@click.option("--dry-run", is_flag=True, help="Pack and show the quota; send nothing.")
@click.option("--wait", is_flag=True, help="Wait until the site has checked it.")
@click.option(
    "--timeout",
    type=Seconds(0),
    default=600.0,
    show_default=True,
    help="Seconds to wait.",
)
@click.pass_context
def push(context, path, name, message, yes, dry_run, wait, timeout):
    """Submit the model in PATH: checked on the site, then it replaces the one before."""
    from .model_folder import name_of, packed

    content, files = packed(path)
    name, client = name or name_of(path), client_of(context)
    size = f"{counted(len(files), 'file')}, {counted(len(content), 'byte')}"
    note(f"{name}: {size}: {', '.join(files[:10])}")
    if dry_run:
        tell(context, {"model_id": name, "files": files, **client.quota()})
        return
    _require_consent(name, yes)
    made = client.submit(content, name, message)
    quota = made.pop("quota")
    made |= {"left_today": quota["left"], "new_quota_at": quota["resets_at"]}
    if wait:
        note(f"submitted: number {made['id']}; waiting for the site's check")
        made |= _ended(client, made["id"], timeout)
    tell(context, made, _lines(made))
    if made["status"] == "REFUSED":
        raise Problem(f"the site refused it: {made['reason']}", made["code"])
    is_live = made["status"] == "LIVE"
    commands = f"`model logs {name}`, `board`" if is_live else f"`status {name}`"
    note(f"next: {commands}")


def _lines(made):
    """Return what became of a submission as sentences; `--json` has all of it."""
    left = f"{counted(made['left_today'], 'submission')} left"
    yield f"{made['model_id']}, version {made['version']}: {made['status']}"
    yield f"submission {made['id']}; {left} until {made['new_quota_at']}"
    found = made.get("result") or {}
    if found.get("rounds"):
        answers = f"{found.get('answered')} of {counted(found['rounds'], 'answer')}"
        slow, most = (found.get(name) for name in ("p99_ms", "limit_ms"))
        is_timed = isinstance(slow, int | float) and isinstance(most, int | float)
        took = f", 99 % of them within {slow:.0f} of {most:.0f} ms" if is_timed else ""
        yield f"the site's check: {answers}{took}"
    problems = found.get("problems") or []
    yield from (f"  {counted(p['count'], 'time')}: {p['text']}" for p in problems)
    if problems and found.get("log"):
        yield "The end of what it printed:"
        yield from (f"  {line}" for line in found["log"].splitlines())


def _require_consent(name, is_given):
    """Ask whether the site may run the code; raises where nobody can be asked."""
    text = f"The site runs this code, and it replaces the running {name}. Submit it?"
    if is_given:
        return
    if not sys.stdin.isatty():
        raise InvalidInput("push needs your consent; give it with --yes.", "consent")
    if not click.confirm(text, err=True):
        raise Refused("nothing was submitted.", "consent")


def _ended(client, number, timeout):
    """Wait until a submission's check has ended; return how it ended."""
    until = time.monotonic() + timeout
    while True:
        row = client.submission(number)
        if row["status"] not in WAITS:
            names = ("status", "code", "reason", "result")
            return {name: row[name] for name in names}
        if time.monotonic() > until:
            said = row["reason"] or f"it is {row['status']}"
            raise Unreachable(
                f"submission {number} was not checked within {timeout:g} s: {said}; "
                "`status` shows it."
            )
        time.sleep(LOOK_S)


@click.command()
@click.pass_context
def quota(context):
    """Show how many versions you may still submit today."""
    tell(context, client_of(context).quota())


@lists(["id", "model_id", "version", "status", "code", "reason", "checked_at"])
@click.argument("name", required=False)
def status(client, name):
    """Show your submitted versions, the newest first: all, or one model's."""
    return client.submissions(name)


COMMANDS = (push, quota, status)
