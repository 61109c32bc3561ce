"""Each name is used once: no two classes, files or imported functions share one."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
APPS = (
    *("core", "feeds", "proofs", "competitions", "scoring"),
    *("emissions", "livepool", "crunchsite"),
)
# Two of a name, each with why no other name would be better.
CLASSES = {
    "Command": "Django finds commands by it",
    "FeedRecord": "the record of the tape, and Django's read-only view of its table",
}
MODULES = {
    **dict.fromkeys(
        ("admin", "api", "apps", "checks", "models", "tasks", "urls", "views"),
        "Django, DRF and Celery look for it, or programmers do, in each app",
    ),
    "errors": "each app's refusals",
    "base": "the settings that others start from, as Django's projects call them",
    "formats": "Django looks for a language's formats by it",
}
# Rooms whose files say which one of an app's nouns they show, store or run.
FACES = ("admin", "api", "acts", "commands", "coordinator", "models", "v1")


@cache
def modules() -> dict[Path, ast.Module]:
    paths = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    return {
        path.relative_to(ROOT): ast.parse(path.read_text())
        for path in sorted(paths)
        if not {"migrations", "examples", "workspace"} & {*path.parts}
    }


def dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def twins(places: dict[str, set[str]], allowed: dict[str, str]) -> dict[str, set[str]]:
    return {
        name: where
        for name, where in places.items()
        if len(where) > 1 and name not in allowed
    }


def test_two_classes_have_two_names():
    places = defaultdict(set)
    for path, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                places[node.name].add(str(path))
    assert twins(places, CLASSES) == {}
    assert CLASSES.keys() <= places.keys()


def test_two_files_have_two_names_but_for_the_faces_of_one_noun():
    places = defaultdict(set)
    for path in modules():
        if path.stem not in ("__init__", "__main__") and path.parent.name not in FACES:
            places[path.stem].add(str(path))
    assert twins(places, MODULES) == {}


def test_a_function_that_is_imported_by_its_name_is_the_only_one_of_it():
    defined, imported = defaultdict(set), defaultdict(set)
    for path, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                defined[node.name].add(dotted(path))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    imported[alias.name].add(node.module)
    by_name = {name: defined[name] & imported[name] for name in defined}
    assert twins(by_name, {}) == {}
