"""`coordinator upgrade`: this engine in the place of a vendored node's."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click
from django.conf import settings

from competitions.scaffold import process_log
from competitions.scaffold.answers import Answers, parse_answers, read_file
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.public_rules import rules_in, write_rules
from competitions.scaffold.render import Workspace
from competitions.scaffold.upgrading import Upgrade, prepared
from core.texts import message_of
from crunchsite.coordinator import exits
from crunchsite.coordinator.checkup.node_variables import read_node
from crunchsite.coordinator.doctor import workspace_of
from crunchsite.coordinator.terminal import echo
from crunchsite.settings.workspace import NodeFolder
from crunchsite.stack.site_lock import is_running


class NodeRunsError(ScaffoldError):
    """The node's site runs on the engine that is to be replaced."""

    code = "node_runs"
    status = 409


@click.command("upgrade")
@click.argument(
    "folder",
    metavar="[NODE]",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
@click.option(
    "--replace",
    is_flag=True,
    help="Replace edited files, too; they are kept below runtime-edits/.",
)
@click.option("--json", "is_json", is_flag=True, help="The files as JSON.")
def command(
    *, folder: Path | None, dry_run: bool, replace: bool, is_json: bool
) -> None:
    """Put this engine in the place of the one that NODE carries in runtime/.

    Call the coordinator of the newer engine. An edited file stays if this engine has
    not changed it; else it is a conflict, nothing is changed, and the exit code is 5.
    """
    node = workspace_of(folder)
    _refuse_own(node)
    answers = parse_answers(read_file(node.spec_file, is_spec=True))
    with prepared(node.node, Workspace(answers).shared()) as upgrade:
        _show(upgrade, is_json=is_json)
        if dry_run:
            if upgrade.plan.conflicts:
                click.get_current_context().exit(exits.REFUSED)
            return
        _refuse_running(node)
        upgrade.apply(is_replacing=replace)
    _refresh_rules(node, answers)
    plan = upgrade.plan
    with (node.spec_file.parent / process_log.NAME).open("a") as log:
        log.write(process_log.upgraded_line(node.slug, plan.before, plan.after))
    echo(f"{node.node} has {plan.after} now. Then: make validate", err=True)


def _refresh_rules(node: NodeFolder, answers: Answers) -> None:
    """Make the public package's rules anew, of the contract as the node has it now."""
    node.admit()
    try:
        config, rules = rules_in(
            node.node / "runtime_definitions" / "contracts.py",
            node.schedule_file,
            answers,
        )
    except Exception as error:  # noqa: BLE001  the node's own code
        said = message_of(error)
        echo(f"The public package keeps its rules: {said}", err=True)
        return
    env, _ = read_node(node)
    if env:  # the node's, not that of the engine which upgrades it
        rules["feed"]["source"] = env.feed_source
        rules["window"] = env.feed_candles_window
    if changed := write_rules(node.challenge / node.package, config, rules):
        parts = ", ".join(changed)
        echo(f"The public package has new rules: {parts}", err=True)


def _refuse_own(node: NodeFolder) -> None:
    runtime = node.node / "runtime"
    if runtime.resolve() == settings.BASE_DIR:
        raise ScaffoldError(
            f"{runtime} is the engine that this is. Call the coordinator of the newer "
            f"one: /path/to/it/coordinator upgrade {node.node}"
        )
    if runtime.is_symlink():
        raise ScaffoldError(f"{runtime} is a link; upgrade what it leads to.")


def _refuse_running(node: NodeFolder) -> None:
    env, _ = read_node(node)
    if is_running(node.node / (env.var_dir if env else "var")):
        raise NodeRunsError(f"the site of {node.node} runs; stop it first.")


def _show(upgrade: Upgrade, *, is_json: bool) -> None:
    plan = upgrade.plan
    if is_json:
        echo(json.dumps(asdict(plan)))
        return
    for step in plan.steps:
        echo(str(step))
    counts = Counter(step.action for step in plan.steps)
    said = ", ".join(f"{count} {action}" for action, count in sorted(counts.items()))
    echo(f"{plan.before} -> {plan.after}: {said or 'nothing differs'}", err=True)
