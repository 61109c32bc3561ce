"""`coordinator doctor`: what keeps a workspace, or its site, from working?"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
from django.conf import settings

from crunchsite.coordinator import exits
from crunchsite.coordinator.checkup.callables_trial import check_callables
from crunchsite.coordinator.checkup.layout_files import (
    check_files,
    check_spec,
    fix_files,
)
from crunchsite.coordinator.checkup.leaks import check_leaks
from crunchsite.coordinator.checkup.line import Line, has_failed
from crunchsite.coordinator.checkup.log_markers import check_logs
from crunchsite.coordinator.checkup.node_variables import read_node
from crunchsite.coordinator.checkup.schedule_fit import check_schedule
from crunchsite.coordinator.checkup.site_answers import (
    check_database,
    check_endpoints,
    check_log,
    check_site,
)
from crunchsite.coordinator.checkup.site_files import check_files_followed
from crunchsite.coordinator.site_api import site_at, site_of
from crunchsite.coordinator.terminal import echo
from crunchsite.settings.workspace import NodeFolder, WorkspaceError, read_workspace

LEAST_FREE_BYTES = 2 * 2**30


def workspace_of(folder: Path | None) -> NodeFolder:
    """Return the workspace of a folder, else WORKSPACE's, else that around us."""
    if folder is None and settings.WORKSPACE:
        found: NodeFolder = settings.WORKSPACE
        return found
    return workspace_here(folder or Path())


def workspace_here(folder: Path) -> NodeFolder:
    """Return the workspace of `folder` or of one above it; raises WorkspaceError."""
    for place in (folder.resolve(), *folder.resolve().parents):
        if (place / "spec.json").is_file():
            found = read_workspace(str(place))
            assert found is not None  # a folder was given
            return found
    raise WorkspaceError(
        f"neither {folder.resolve()} nor a folder above it is a workspace. Go to one, "
        "or give it with --workspace."
    )


def examine(node: NodeFolder, *, url: str | None, is_offline: bool) -> Iterator[Line]:
    """Yield the lines of all checks of a workspace and of its site."""
    yield from check_spec(node.spec_file, is_whole=True)
    yield from check_files(node)
    yield from check_leaks(node)
    env, lines = read_node(node)
    yield from lines
    if env is not None:
        yield from check_callables(node, env)
        yield from check_schedule(node, env)
    yield from check_logs((node.node / (env.var_dir if env else "var")) / "log")
    yield _disk_line(node)
    if is_offline:
        yield Line("SKIP", "site", "it was not asked, because of --offline.")
        return
    own = site_of(env, node.slug) if env and url is None else site_at(url)
    yield from check_site(own)
    if node == settings.WORKSPACE:
        yield from check_database()
        yield from check_files_followed(node)
        yield from check_endpoints()
        yield from check_log()
    else:
        do = f"Set WORKSPACE={node.node} to look at both."
        found = "neither the database nor your own endpoints were looked at."
        yield Line("SKIP", "migrations", found, do)


def _disk_line(node: NodeFolder) -> Line:
    free = shutil.disk_usage(node.node).free
    found = f"{free / 2**30:.1f} GiB are free at {node.node}."
    if free < LEAST_FREE_BYTES:
        return Line("WARN", "disk", found, "Free some: data and logs grow.")
    return Line("OK", "disk", found)


@click.command("doctor")
@click.option(
    "--workspace",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Its folder; default: WORKSPACE, or the one around the current folder.",
)
@click.option("--url", help="Its site; default: REPORT_API_URL, or localhost at PORT.")
@click.option("--offline", is_flag=True, help="Ask no site.")
@click.option(
    "--spec", type=click.Path(path_type=Path), help="Check an answers file for init."
)
@click.option("--json", "is_json", is_flag=True, help="The lines as JSON.")
@click.option("--fix", is_flag=True, help="Make missing folders and .local.env first.")
def command(
    *,
    workspace: Path | None,
    url: str | None,
    offline: bool,
    spec: Path | None,
    is_json: bool,
    fix: bool,
) -> None:
    """Check a workspace and its site, one line a check; exit code 1 if one FAILs."""
    lines: list[Line] = []
    for line in _lines(workspace, url, spec, is_offline=offline, is_fixing=fix):
        lines.append(line)
        if not is_json:
            echo(str(line))
    if is_json:
        echo(json.dumps([asdict(line) for line in lines]))
    counts = Counter(line.level for line in lines)
    echo(f"{counts['FAIL']} FAIL, {counts['WARN']} WARN", err=True)
    if has_failed(lines):
        click.get_current_context().exit(exits.FAILED)


def _lines(
    workspace: Path | None,
    url: str | None,
    spec: Path | None,
    *,
    is_offline: bool,
    is_fixing: bool,
) -> Iterator[Line]:
    if spec is not None:
        yield from check_spec(spec)
        if workspace is None:
            return
    node = workspace_of(workspace)
    if is_fixing:
        for done in fix_files(node):
            echo(done, err=True)
    yield from examine(node, url=url, is_offline=is_offline)
