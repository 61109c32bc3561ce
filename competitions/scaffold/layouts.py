"""The files of a workspace, for each layout: exactly these and no others.

`vendored`: a private node with the engine's own copy in runtime/, and a public package.
`thin`: the same without the engine, which comes as a wheel.
`base`: vendored, with the folders named `node` and `challenge`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from competitions.package_rules import RULES_FILE, SCHEMA_FILES
from competitions.scaffold import engine_copy
from competitions.scaffold.answers import Layout
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.naming import Names
from core.workspaces import NODE_PACKAGES

_EXAMPLES = ("mean_reversion", "trend_following", "volatility_regime")

# What a participant runs; see templates/workspace/challenge/package/.
_TOOLS = (
    *("config", "problems", "day_files", "client", "backtest", "backtest_result"),
    *("accounts", "receipts", "report", "checks", "commands", "asking", "recording"),
    *("witness", "witness_command"),
    *("json_column", "round_columns", "round_truths", "round_scores"),
    *("period_columns", "model_files", "made_up_data", "model_wire"),
    *("model_process", "model_child", "model_folder", "site_rules"),
    *("rows", "credentials", "site_requests"),
    *("command_line", "days_asked", "model_commands", "data_commands"),
    *("site_commands", "log_command", "submit_commands"),
)

_ROOT = ("README.md", "SKILL.md", "AGENTS.md")
_CHALLENGE = (
    *("README.md", "RULES.md", "SKILL.md", "pyproject.toml"),
    *("package/__init__.py", "package/tracker.py", "package/scoring.py"),
    *("package/schemas/README.md", "package/examples/README.md"),
    "package/examples/__init__.py",
    *(f"package/examples/{name}_tracker.py" for name in _EXAMPLES),
    *(f"package/{name}.py" for name in _TOOLS),
    *(f"package/{RULES_FILE}", "package/SKILL.md", "package/quick_start.ipynb"),
    *(f"package/schemas/{name}" for name in SCHEMA_FILES),
    *(f"package/{path}" for path in engine_copy.paths()),
    *("tests/test_scoring.py", "tests/test_backtest.py"),
)
_NODE = (
    *("README.md", "SKILL.md", "RUNBOOK.md", "Makefile", "pyproject.toml"),
    *("Dockerfile", "Dockerfile.dockerignore", "docker-compose.yml"),
    *(".local.env", ".local.env.example"),
    *("config/README.md", "config/callables.env"),
    "config/scheduled_prediction_configs.json",
    "runtime_definitions/__init__.py",
    "runtime_definitions/contracts.py",
    "runtime_definitions/data.py",
    "runtime_definitions/inference.py",
    "runtime_definitions/validation.py",
    "runtime_definitions/reporting.py",
    *("plugins/README.md", "extensions/README.md", "deployment/README.md"),
)
_THIN_CHALLENGE = (
    *("README.md", "pyproject.toml"),
    "package/tracker.py",
    "package/inference.py",
    "package/validation.py",
    "package/scoring.py",
    "package/reporting.py",
    "package/schemas/README.md",
    "package/plugins/README.md",
    "package/extensions/README.md",
)
_THIN_NODE = (
    *("README.md", "pyproject.toml", ".local.env.example"),
    *("deployment/README.md", "deployment/docker-compose.yml"),
    *("config/README.md", "config/callables.env"),
    "config/scheduled_prediction_configs.json",
    *("plugins/README.md", "extensions/README.md"),
)


@dataclass(frozen=True)
class LayoutPlan:
    """The templates of a layout by area, and whether the engine is copied into it."""

    root: tuple[str, ...]
    challenge: tuple[str, ...]
    node: tuple[str, ...]
    is_vendored: bool
    # Where the node's own callables are imported from.
    definitions: str


PLANS: Mapping[Layout, LayoutPlan] = {
    "vendored": LayoutPlan(_ROOT, _CHALLENGE, _NODE, True, "runtime_definitions"),
    "thin": LayoutPlan(("README.md",), _THIN_CHALLENGE, _THIN_NODE, False, ""),
    "base": LayoutPlan(_ROOT, _CHALLENGE, _NODE, True, "runtime_definitions"),
}


def is_shared(template: str) -> bool:
    """Return whether a file of the public package is the engine's own."""
    name = template.removeprefix("challenge/package/")
    tools = {"tracker.py", *(f"{tool}.py" for tool in _TOOLS)}
    return name in tools or name.startswith(f"{engine_copy.FOLDER}/")


def folders_of(layout: Layout, names: Names) -> tuple[str, str]:
    """Return the folders of the public package and of the node."""
    if layout == "base":
        return "challenge", "node"
    return names.challenge, names.node


def files_of(
    layout: Layout, names: Names, overlay: Path | None = None
) -> dict[str, str]:
    """Return for each file of a workspace the template that it is rendered from.

    `overlay` has the templates of a pack. They replace those of the same path, and the
    examples as a whole; further ones are added, where the layout has their folder.
    """
    plan = PLANS[layout]
    challenge, node = folders_of(layout, names)
    areas = [("root", "", plan.root), ("node", f"{node}/", plan.node)]
    areas.append(("challenge", f"{challenge}/", plan.challenge))
    return {
        f"{folder}{path}".replace("/package/", f"/{names.package}/"): f"{area}/{path}"
        for area, folder, paths in areas
        for path in _with_own(paths, overlay and overlay / area)
    }


def _with_own(paths: Iterable[str], own_folder: Path | None) -> set[str]:
    planned = set(paths)
    own = set(_below(own_folder)) if own_folder else set()
    if any(_is_example(path) for path in own):
        planned = {path for path in planned if not _is_example(path)}
    folders = {Path(path).parent for path in paths}
    return planned | {path for path in own if Path(path).parent in folders}


def _is_example(path: str) -> bool:
    return path.startswith("package/examples/") and path.endswith("_tracker.py")


def _below(folder: Path) -> Iterable[str]:
    """Yield the files of a pack's area, without the parts that templates include.

    These begin with an underscore. Raises ScaffoldError for a file that is elsewhere.
    """
    for path in folder.rglob("*"):
        inner = path.relative_to(folder)
        is_part = path.name.startswith(("_", ".")) and path.name != "__init__.py"
        if is_part or "__pycache__" in inner.parts or not path.is_file():
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ScaffoldError(f"{path} leads out of the pack.")
        yield inner.as_posix()


def check_modules(files: Iterable[str], callables: Mapping[str, str]) -> None:
    """Raise ScaffoldError for a callable of a module that nobody has; imports nothing.

    One of the workspace's own packages must be among its files, as a template of a pack
    is; any other package must be installed.
    """
    inner = {path.split("/", 1)[-1] for path in files}
    tops = {path.split("/")[0] for path in inner if "/" in path} | set(NODE_PACKAGES)
    for slot, path in callables.items():
        module = path.partition(":")[0].replace(".", "/")
        top = module.split("/")[0]
        if top in tops:
            is_known = not inner.isdisjoint({f"{module}.py", f"{module}/__init__.py"})
            where = "among the files of this layout and pack"
        else:
            is_known, where = find_spec(top) is not None, "installed here"
        if not is_known:
            raise ScaffoldError(
                f"{slot} was {path!r}, and its module is not {where}. Correct it, or "
                "leave it out and write it into config/callables.env later."
            )


def callables_of(layout: Layout, names: Names) -> dict[str, str]:
    """Return the paths of the callables that the workspace itself has, by slot."""
    package, own = names.package, PLANS[layout].definitions or names.package
    found = {
        "INFERENCE_INPUT_BUILDER": f"{own}.inference:build_input",
        "INFERENCE_OUTPUT_VALIDATOR": f"{own}.validation:validate_output",
        "SCORING_FUNCTION": f"{package}.scoring:score_prediction",
        "REPORT_SCHEMA_PROVIDER": f"{own}.reporting:report_schema",
    }
    if PLANS[layout].definitions:
        found["RAW_INPUT_PROVIDER"] = f"{own}.data:provide_raw_input"
        found["GROUND_TRUTH_RESOLVER"] = f"{own}.data:resolve_ground_truth"
    return found
