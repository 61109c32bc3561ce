"""Commands that read the site: boards, rounds, models, receipts, payouts, the key."""

import time

import click

from . import config
from .command_line import client_of, lists, note, say, show, tell
from .log_command import logs

WATCH_S = 5.0
# Of rounds: those that wait for their truth, and how they stand.
STATES = ("open", "RECEIVED", "RESOLVED", "UNRESOLVABLE", "MISSED", "VOID")
takes_name = click.argument("name")
# What is no text is no receipt, which is then said.
RECEIPT = click.File(encoding="utf-8", errors="replace")


@click.command()
@click.option("--window", help="A window of the board, like score_recent.")
@click.option("--as-of", help="The board as it stood at an instant.")
@click.pass_context
def board(context, window, as_of):
    """Show the leaderboard."""
    window = window or config.rules()["ranking_key"]
    client = client_of(context)
    versions = {row["model_id"]: row.get("versions") for row in client.models()}
    rows = [
        {
            "rank": row.get("rank"),
            "model": row.get("model_name"),
            "score": row["score"],
            "cover": _cover(row, window),
            "rounds": row.get("prediction_count"),
            "versions": versions.get(row.get("model_id")),
            "model_id": row.get("model_id"),
        }
        for row in client.leaderboard(window, as_of)
    ]
    columns = ["rank", "model", "score", "cover", "rounds", "versions", "model_id"]
    show(context, rows, columns)


def _cover(row, window):
    sample = (row.get("samples") or {}).get(window) or {}
    expected = sample.get("expected")
    return f"{sample['count'] * 100 // expected} %" if expected else None


@click.command()
@click.option(
    "--state",
    type=click.Choice(STATES, case_sensitive=False),
    help="Those that wait for their truth (open), or have a status.",
)
@click.option("-n", "count", default=20, show_default=True, help="Rounds to show.")
@click.option("--watch", is_flag=True, help="Show new ones until Ctrl-C.")
@click.pass_context
def rounds(context, state, count, watch):
    """Show rounds, the newest first."""
    columns = ["id", "slot_at", "scope_key", "status", "reason"]
    client, seen = client_of(context), set()
    while True:
        rows = client.rounds(state).first(count)
        new = [row for row in rows if (row["id"], row["status"]) not in seen]
        seen |= {(row["id"], row["status"]) for row in new}
        if new:
            show(context, new, columns)
        if not watch:
            return
        time.sleep(WATCH_S)


@click.group()
def model():
    """One model on the site."""


@lists(["scored_at", "scope_key", "value", "success", "failed_reason"], model)
@takes_name
def scores(client, name):
    """Show a model's scores, the newest first."""
    return client.scores(name)


@lists(["round_id", "slot_at", "scope_key", "outcome", "code", "reason"], model)
@takes_name
def failures(client, name):
    """Show when a model failed or was absent, and why."""
    return client.failures(name)


model.add_command(logs)


@click.group()
def receipts():
    """Proofs that answers stood in the site's log."""


@receipts.command("list")
@takes_name
@click.option("--day", required=True, help="YYYY-MM-DD, of UTC.")
@click.pass_context
def list_receipts(context, name, day):
    """List the receipts of a model's answers of a day."""
    rows = client_of(context).receipts(name, day)
    show(context, rows, ["prediction_id", "slot_at", "index", "signed_at", "problem"])


@receipts.command()
@click.argument("prediction_id", type=int)
@click.option("--to", "path", type=click.Path(), help="File; stdout without.")
@click.pass_context
def get(context, prediction_id, path):
    """Fetch the receipt of a prediction."""
    text = client_of(context).receipt_file(prediction_id)
    if path:
        # As the site has it, also where lines end otherwise.
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    else:
        say(text, nl=False)


@receipts.command()
@click.argument("files", nargs=-1, required=True, type=RECEIPT)
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
    show(context, rows, ["file", "index", "size", "outcome"])


@click.command()
@takes_name
@click.option("--to", "folder", default="export", show_default=True, type=click.Path())
@click.pass_context
def export(context, name, folder):
    """Write a model's predictions and scores as CSV."""
    rows = [{"file": str(path)} for path in client_of(context).export(name, folder)]
    show(context, rows, ["file"])


@click.command()
@click.option("--key", prompt=True, hide_input=True, help="The key; asked for without.")
@click.pass_context
def login(context, key):
    """Keep a key for the site in a file that only you can read."""
    from .client import Client
    from .credentials import require_key, store_key

    require_key(key.strip())
    client = Client(url=context.obj["url"], key=key.strip())
    client.get("/api/v1/competitions")  # a wrong key is refused here
    note(f"kept in {store_key(client.url, client.key)}")


@click.command()
@click.pass_context
def whoami(context):
    """Show the site, and whether a key is set; never the key itself."""
    client = client_of(context)
    found = {"competition": config.NAME, "url": client.url, "has_key": bool(client.key)}
    tell(context, found)


@lists(["period_end", "place", "model_id", "reward_frac64"])
@click.option("--model", "name", help="One model's.")
def payouts(client, name):
    """Show what models earned, the newest checkpoint first."""
    return client.payouts(name)


COMMANDS = (board, rounds, model, receipts, payouts, export, login, whoami)
