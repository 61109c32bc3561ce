"""`coordinator rules`: which rules hold, since when, and how the files differ."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from django.conf import settings

from competitions.drafting import Draft, draft_competition
from competitions.kept_rules import changes_between
from competitions.models import Competition, KeptRules
from competitions.scaffold.importing import definition_of
from competitions.scaffold.public_rules import write_rules
from competitions.site_rules import rules_on_site
from competitions.wiring import wiring_of
from core.errors import OperatorError
from crunchsite.coordinator import exits
from crunchsite.coordinator.chosen import competition_named
from crunchsite.coordinator.doctor import workspace_of
from crunchsite.coordinator.terminal import echo
from crunchsite.operator.following import Side, differences, follow_files
from crunchsite.settings.workspace import NodeFolder
from crunchsite.stack.demo import workspace_draft

_CHANGED_IN = {
    "taken": "changed in the files; their next start takes it over",
    "standing": "changed on the site, where it stands",
    "asked": "changed on both sides; `coordinator rules apply` decides",
}
_workspace = click.option(
    "--workspace",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Its folder; default: WORKSPACE, or the one around the current folder.",
)
_slug = click.option("--slug", default="", help="The competition; default: its name.")
_json = click.option("--json", "is_json", is_flag=True, help="The same as JSON.")


class RulesUnknownError(OperatorError):
    """There is no such version of a competition's rules."""

    code = "rules_unknown"
    status = 404


@click.group("rules")
def command() -> None:
    """Show the rules of a competition: versions, and what differs from its files."""


@command.command("list")
@_slug
@_json
def list_versions(*, slug: str, is_json: bool) -> None:
    """List the versions of the rules: since when, by whom, and why."""
    versions = list(competition_named(slug).kept_rules.order_by("number"))
    rows = [
        {
            "number": version.number,
            "begins_at": version.begins_at.isoformat(),
            "author": version.author,
            "reason": version.reason,
        }
        for version in versions
    ]
    if is_json:
        echo(json.dumps(rows))
        return
    for row in rows:
        who = f" by {row['author']}" if row["author"] else ""
        echo(f"{row['number']:>3}  {row['begins_at']}{who}: {row['reason']}")


@command.command("diff")
@click.argument("first", metavar="[FROM]", required=False, type=click.IntRange(min=1))
@click.argument("second", metavar="[TO]", required=False, type=click.IntRange(min=1))
@_workspace
@_slug
@_json
def diff(
    *,
    first: int | None,
    second: int | None,
    workspace: Path | None,
    slug: str,
    is_json: bool,
) -> None:
    """Compare a workspace's files with the site, or version FROM with TO.

    TO is the newest version if it is not given. Exit code 1 if anything differs.
    """
    if first is None:
        lines = _against_files(_draft(workspace, slug), is_json=is_json)
    else:
        competition = competition_named(slug)
        before = _version(competition, first)
        after = _version(competition, second)
        lines = list(changes_between(before.rules, after.rules))
        if is_json:
            echo(json.dumps(lines))
    if not is_json:
        for line in lines:
            echo(line)
    if lines:
        click.get_current_context().exit(exits.FAILED)


def _against_files(draft: Draft, *, is_json: bool) -> list[str]:
    found = differences(competition_named(draft.competition.slug), draft)
    rows = [(how, each) for how in _CHANGED_IN for each in getattr(found, how)]
    if is_json:
        said: list[dict[str, Any]] = [{**asdict(d), "is": how} for how, d in rows]
        echo(json.dumps(said))
    return [f"{each} ({_CHANGED_IN[how]})" for how, each in rows]


@command.command("apply")
@click.option("--files", "side", flag_value="files", help="Take the files' values.")
@click.option("--site", "side", flag_value="site", help="Keep the site's values.")
@_workspace
@_slug
def apply_files(*, side: Side | None, workspace: Path | None, slug: str) -> None:
    """Decide about what differs between a workspace's files and the site.

    Without an option, take over what changed in the files alone, as a start does. The
    rules and schemas in the public package then become those that hold on the site.
    """
    draft = _draft(workspace, slug)
    competition_named(draft.competition.slug)
    followed = follow_files(draft, side=side or "", author="coordinator rules apply")
    for line in followed.lines() or ["Nothing was changed."]:
        echo(line)
    competition = competition_named(draft.competition.slug)
    _refresh_package(workspace_of(workspace), competition)
    if followed.refused:
        click.get_current_context().exit(exits.REFUSED)


def _refresh_package(node: NodeFolder, competition: Competition) -> None:
    config, rules = wiring_of(competition).config, rules_on_site(competition)
    if changed := write_rules(node.challenge / node.package, config, rules):
        echo(f"The public package has new rules: {', '.join(changed)}.")


def _draft(folder: Path | None, slug: str) -> Draft:
    node = workspace_of(folder)
    if node == settings.WORKSPACE:
        return workspace_draft(slug or node.slug)
    return draft_competition(**definition_of(node.spec_file.parent, slug=slug))


def _version(competition: Competition, number: int | None) -> KeptRules:
    versions = competition.kept_rules.order_by("-number")
    found = (versions.filter(number=number) if number else versions).first()
    if found is None:
        newest = versions.first()
        last = newest.number if newest else 0
        raise RulesUnknownError(
            f"there is no version {number or 1} of the rules of {competition}; the "
            f"newest is {last}."
        )
    return found
