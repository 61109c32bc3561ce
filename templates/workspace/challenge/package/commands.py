"""The commands of the package: `crunch-{{ slug }} --help`.

Data go to stdout, notes and progress to stderr. Exit codes: 0 good, 1 a check failed,
2 invalid input, 3 not allowed, 4 unreachable, 5 refused by state, 130 interrupted.
"""

import json
import sys
import time
from datetime import datetime, timedelta, timezone

import click

from . import __version__, config
from .problems import Problem

WATCH_S = 5.0


class Commands(click.Group):
    """Turns problems into one line and their exit code."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except Problem as problem:
            if context.params.get("as_json"):
                click.echo(json.dumps({"error": str(problem), "code": problem.code}))
            click.echo(f"Error: {problem}", err=True)
            context.exit(problem.exit_code)
        except KeyboardInterrupt:
            context.exit(130)


@click.group(cls=Commands)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@click.option("--url", help="Address of the site, in place of the package's.")
@click.version_option(__version__, message="%(version)s")
@click.pass_context
def main(context, as_json, url):
    """Check, backtest and watch models of {{ title }}."""
    context.obj = {"json": as_json, "url": url}


def _client(context):
    from .client import Client

    return Client(url=context.obj["url"])


def _show(context, rows, columns):
    """Write rows as JSON or as a table."""
    rows = [dict(row) for row in rows]
    if context.obj["json"]:
        click.echo(json.dumps(rows, default=str))
        return
    lines = [columns, *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = (str(cell).ljust(width) for cell, width in zip(line, widths))
        click.echo("  ".join(cells).rstrip())


def _cell(value):
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None or value == "" else value


def _days(context, param, text):
    from .day_files import instant

    try:
        return instant(text)
    except Problem as problem:
        raise click.BadParameter(str(problem)) from None


def _range(command):
    """Give a command `--from` and `--to`; without them, the week until today."""
    today = datetime.now(timezone.utc).date()
    since, until = (str(today - timedelta(days=days)) for days in (7, 0))
    for name, flag, usual in (("until", "--to", until), ("since", "--from", since)):
        command = click.option(
            flag, name, default=usual, show_default=True, callback=_days, metavar="INSTANT"
        )(command)
    return command


@main.command()
@click.argument("path", type=click.Path(exists=True))
@_range
@click.option("--cache", type=click.Path(), help="Folder of downloaded data.")
@click.option("--offline", is_flag=True, help="Download nothing.")
@click.option("--save", "folder", type=click.Path(), help="Write the report here.")
@click.pass_context
def backtest(context, path, since, until, cache, offline, folder):
    """Play recorded data through the model in PATH, as the site would."""
    from .backtest import BacktestRunner
    from .day_files import BacktestClient

    data = BacktestClient(url=context.obj["url"], cache=cache)
    if not offline:
        _warn_of_old_rules(context)
    result = BacktestRunner(path, data=data, pull=not offline).run(since, until)
    if folder:
        for written in result.save(folder):
            click.echo(f"wrote {written}", err=True)
    if context.obj["json"]:
        click.echo(json.dumps(result.as_dict()))
    else:
        result.summary()
    if not any(row["score"] is not None for row in result.rounds):
        raise Problem("no round was scored; the reasons stand above.")


@main.command()
@click.argument("path", type=click.Path(exists=True))
@click.option("-n", "rounds", default=100, show_default=True, help="Rounds to ask.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds for an answer.")
@click.pass_context
def check(context, path, rounds, timeout):
    """Ask the model in PATH in a process of its own: errors, time, memory, repeatability."""
    from .checks import check_model, lines_of

    _warn_of_old_rules(context)
    found = check_model(path, rounds=rounds, limit_s=timeout)
    if context.obj["json"]:
        click.echo(json.dumps(found))
    else:
        for line in lines_of(found):
            click.echo(line)
    if found["problems"]:
        raise Problem("the model is not ready; its problems stand above.")


def _warn_of_old_rules(context):
    from .site_rules import warning_of_old_rules

    if line := warning_of_old_rules(context.obj["url"]):
        click.echo(line, err=True)


@main.group()
def data():
    """Market data of past days."""


@data.command("list")
@_range
@click.option("--subject", multiple=True, help="Subject; the competition's without.")
@click.pass_context
def list_days(context, since, until, subject):
    """List the days that the site has."""
    from .day_files import BacktestClient

    client = BacktestClient(url=context.obj["url"])
    rows = [
        {"subject": each, **row}
        for each in subject or _subjects()
        for row in client.listing(each, since, until)
    ]
    _show(context, rows, ["subject", "date", "records", "size_bytes"])


@data.command()
@_range
@click.option("--subject", multiple=True, help="Subject; the competition's without.")
@click.option("--refresh", is_flag=True, help="Download what is there again.")
@click.option("--cache", type=click.Path(), help="Folder of downloaded data.")
@click.pass_context
def pull(context, since, until, subject, refresh, cache):
    """Download days into the cache, verified."""
    from .day_files import BacktestClient

    client = BacktestClient(url=context.obj["url"], cache=cache)
    is_terminal = sys.stderr.isatty()

    def progress(done, count, name):
        if is_terminal:
            click.echo(f"\r{done}/{count} {name}", nl=done == count, err=True)

    rows = [
        {"subject": each, "file": str(path)}
        for each in subject or _subjects()
        for path in client.pull(each, since, until, refresh, progress)
    ]
    _show(context, rows, ["subject", "file"])


@data.command()
@click.option("--subject", multiple=True, help="Subject; the competition's without.")
@click.option("--cache", type=click.Path(), help="Folder of downloaded data.")
@click.pass_context
def status(context, subject, cache):
    """Show the cached days, and whether each file is whole."""
    from .day_files import BacktestClient

    client = BacktestClient(url=context.obj["url"], cache=cache)
    rows = [
        {"subject": each, **row}
        for each in subject or _subjects()
        for row in client.status(each)
    ]
    _show(context, rows, ["subject", "date", "records", "is_whole"])
    if not all(row["is_whole"] for row in rows):
        raise Problem("a file is broken; pull it again with --refresh.")


def _subjects():
    from ._engine.rules.question_rule import scope_of

    rules = config.rules()
    return sorted(
        {
            scope_of(rules["scope"], each["scope_template"], each["horizon_s"])["subject"]
            for each in rules["schedule"]
        }
    )


@main.command()
@click.option("--window", help="A window of the board, like score_recent.")
@click.option("--as-of", help="The board as it stood at an instant.")
@click.pass_context
def board(context, window, as_of):
    """Show the leaderboard."""
    window = window or config.rules()["ranking_key"]
    rows = [
        {
            "rank": row.get("rank"),
            "model": row.get("model_name"),
            "score": row["score"],
            "cover": _cover(row, window),
            "rounds": row.get("prediction_count"),
            "model_id": row.get("model_id"),
        }
        for row in _client(context).leaderboard(window, as_of)
    ]
    _show(context, rows, ["rank", "model", "score", "cover", "rounds", "model_id"])


def _cover(row, window):
    sample = (row.get("samples") or {}).get(window) or {}
    expected = sample.get("expected")
    return f"{sample['count'] * 100 // expected} %" if expected else None


@main.command()
@click.option("--state", help="open, or a status: RESOLVED, MISSED, VOID ...")
@click.option("-n", "count", default=20, show_default=True, help="Rounds to show.")
@click.option("--watch", is_flag=True, help="Show new ones until Ctrl-C.")
@click.pass_context
def rounds(context, state, count, watch):
    """Show rounds, the newest first."""
    columns = ["id", "slot_at", "scope_key", "status", "reason"]
    client, seen = _client(context), set()
    while True:
        rows = client.rounds(state).first(count)
        new = [row for row in rows if (row["id"], row["status"]) not in seen]
        seen |= {(row["id"], row["status"]) for row in new}
        if new:
            _show(context, new, columns)
        if not watch:
            return
        time.sleep(WATCH_S)


@main.group()
def model():
    """One model on the site."""


@model.command()
@click.argument("name")
@click.option("-n", "count", default=20, show_default=True)
@click.pass_context
def scores(context, name, count):
    """Show a model's scores, the newest first."""
    rows = _client(context).scores(name).first(count)
    _show(context, rows, ["scored_at", "scope_key", "value", "success", "failed_reason"])


@model.command()
@click.argument("name")
@click.option("-n", "count", default=20, show_default=True)
@click.pass_context
def failures(context, name, count):
    """Show when a model failed or was absent, and why."""
    rows = _client(context).failures(name).first(count)
    _show(context, rows, ["slot_at", "scope_key", "outcome", "reason"])


@main.group()
def receipts():
    """Proofs that answers stood in the site's log."""


@receipts.command("list")
@click.argument("name")
@click.option("--day", required=True, help="YYYY-MM-DD, of UTC.")
@click.pass_context
def list_receipts(context, name, day):
    """List the receipts of a model's answers of a day."""
    rows = _client(context).receipts(name, day)
    _show(context, rows, ["prediction_id", "slot_at", "index", "signed_at", "problem"])


@receipts.command()
@click.argument("prediction_id", type=int)
@click.option("--to", "path", type=click.Path(), help="File; stdout without.")
@click.pass_context
def get(context, prediction_id, path):
    """Fetch the receipt of a prediction."""
    text = _client(context).receipt_file(prediction_id)
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        click.echo(text, nl=False)


@receipts.command()
@click.argument("files", nargs=-1, required=True, type=click.File())
@click.option("--key", required=True, help="The log's vkey, from where you trust it.")
@click.pass_context
def verify(context, files, key):
    """Verify receipts without a connection; exit code 1 for one that does not hold."""
    from .receipts import verify_receipt

    rows = []
    for file in files:
        found = verify_receipt(file.read(), key)
        answer = found["answer"] or {}
        rows.append({"file": file.name, **found, "outcome": answer.get("outcome")})
    _show(context, rows, ["file", "index", "size", "outcome"])


@main.command()
@click.option("--model", "name", help="One model's.")
@click.option("-n", "count", default=20, show_default=True)
@click.pass_context
def payouts(context, name, count):
    """Show what models earned, the newest checkpoint first."""
    rows = _client(context).payouts(name).first(count)
    _show(context, rows, ["period_end", "place", "model_id", "reward_pct"])


@main.command()
@click.argument("name")
@click.option("--to", "folder", default="export", show_default=True, type=click.Path())
@click.pass_context
def export(context, name, folder):
    """Write a model's predictions and scores as CSV."""
    rows = [{"file": str(path)} for path in _client(context).export(name, folder)]
    _show(context, rows, ["file"])


@main.command()
@click.option("--key", prompt=True, hide_input=True, help="The key; asked for without.")
@click.pass_context
def login(context, key):
    """Keep a key for the site in a file that only you can read."""
    from .client import Client, store_key

    client = Client(url=context.obj["url"], key=key.strip())
    client.get("/api/v1/competitions")  # a wrong key is refused here
    click.echo(f"kept in {store_key(client.url, key.strip())}", err=True)


@main.command()
@click.pass_context
def whoami(context):
    """Show the site, and whether a key is set; never the key itself."""
    client = _client(context)
    found = {"competition": config.NAME, "url": client.url, "has_key": bool(client.key)}
    _show(context, [found], list(found))


@main.command()
@click.pass_context
def version(context):
    """Show the package's version and the digest of its rules."""
    from .backtest_result import DIGEST

    found = {
        "version": __version__,
        "engine": json.loads(DIGEST.read_text("utf-8"))["digest"],
    }
    _show(context, [found], list(found))


if __name__ == "__main__":
    main()
