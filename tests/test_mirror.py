"""The tests mirror the tree: a module's behaviour is named in the file of its path."""

import tomllib
from pathlib import Path

from tests.test_names import ROOT, modules

LONG = 40
# Modules that declare: whoever uses them tests them. Each with where that is.
DECLARING = {
    "admin": "pages: tests/crunchsite/test_admin.py, test_fuzz_admin.py",
    "errors": "codes: tests/core/test_errors.py",
    "models": "constraints: the services that write the rows",
    "tasks": "the services that they call, tests/crunchsite/test_celery.py",
    "urls": "tests/crunchsite/test_api.py, test_fuzz_pages.py",
    "views": "pages: tests/crunchsite/test_site.py, tests/feeds, tests/livepool",
}
ROOMS = {
    "admin": "pages: tests/crunchsite/test_admin.py, test_fuzz_admin.py",
    "commands": "tests of the service that they run, tests/docs/test_docs.py",
    "models": "constraints: the services that write the rows",
    "settings": "tests/crunchsite/test_env.py, test_prod.py",
    "v1": "every list and act by the same rules: tests/crunchsite/v1/test_lists.py",
    "acts": "every act by the same rules: tests/crunchsite/v1/acts/test_once.py",
    "variables": "tests/crunchsite/test_env.py",
}
ELSEWHERE: dict[str, list[str]] = tomllib.loads(
    (ROOT / "tests" / "mirror.toml").read_text()
)
LISTED = {module for listed in ELSEWHERE.values() for module in listed}


def mirrored(path: Path) -> Path:
    """Return the test file at the path of a module, or of a package."""
    named = path.parent if path.stem == "__init__" else path.with_suffix("")
    return Path("tests") / named.parent / f"test_{named.name}.py"


def lacking() -> set[str]:
    """Return the long modules that have no such file."""
    return {
        str(path)
        for path in modules()
        if len((ROOT / path).read_text().splitlines()) > LONG
        and path.stem not in DECLARING
        and path.parent.name not in ROOMS
        and not (ROOT / mirrored(path)).exists()
    }


def test_a_long_module_has_a_test_file_at_its_path_or_is_listed():
    assert lacking() - LISTED == set()


def test_the_list_names_only_modules_that_lack_a_file_and_files_that_are_there():
    assert LISTED - lacking() == set()
    assert [file for file in ELSEWHERE if not (ROOT / file).exists()] == []
