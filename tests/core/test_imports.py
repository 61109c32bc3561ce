import sys
import zipfile

import pytest

from core.imports import NotImportable, check_module, import_target


@pytest.fixture(autouse=True)
def packages(settings):
    settings.CALLABLE_PACKAGES = ("math", "stranger", "acme.crunch", "nowhere_at_all")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that modules are found in; what is imported from it is forgotten."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_path_leads_to_what_a_module_holds():
    assert import_target("math:pi") == pytest.approx(3.14159, abs=1e-5)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("math", "give module.path:callable"),
        (":pi", "give module.path:callable"),
        ("math:", "give module.path:callable"),
        ("nowhere_at_all:x", "there is no module nowhere_at_all"),
        ("math.deeper:x", "there is no module math.deeper"),
        ("math:tau_and_a_half", "math has no tau_and_a_half"),
        ("math.a\0b:x", "no name of a module"),
        ("math..up:x", "no name of a module"),
        ("math.:x", "no name of a module"),
    ],
)
def test_a_path_that_leads_nowhere_says_why(path, said):
    with pytest.raises(NotImportable, match=said):
        import_target(path)


@pytest.mark.parametrize(
    "path",
    [
        *("os:abort", "posix:abort", "sys:exit", "builtins:exec", "subprocess:run"),
        *("..up:x", "a\0b:x", "mathematics:pi", "acme:x", "acme.crunchy:x"),
        *("var.models.naive_last_value.main:Model", "competitions.rounds.perform:os"),
        *(
            "crunchsite.stack.ends_with_parent:main",
            "__main__:x",
            "\ud800:x",
            " math:pi",
        ),
        "competitions.local_models.examples.momentum.main:Momentum",
    ],
)
def test_a_module_of_no_package_of_the_list_is_not_looked_for(path, monkeypatch):
    monkeypatch.setattr("core.imports.importlib.import_module", pytest.fail)
    with pytest.raises(NotImportable, match="CALLABLE_PACKAGES"):
        import_target(path)


def test_the_project_s_own_callables_need_no_setting(settings):
    settings.CALLABLE_PACKAGES = ()
    assert callable(import_target("competitions.defaults:scoring_function"))
    assert callable(import_target("scoring.metrics.builtins:hit_rate"))


LOUD = "from pathlib import Path; Path(__file__).with_suffix('.ran').touch()\n"


@pytest.mark.parametrize("kept", ["VAR_DIR", "LOCAL_MODELS_DIR"])
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("stranger.py", "stranger"),
        ("stranger/__init__.py", "stranger"),
        ("stranger/main.py", "stranger.main"),  # without an __init__: a namespace
        ("stranger/deep/main.py", "stranger.deep.main"),
    ],
)
def test_nothing_below_the_data_or_the_models_is_imported(
    settings, folder, kept, file, name
):
    setattr(settings, kept, folder)
    module = folder / file
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(LOUD)
    with pytest.raises(NotImportable, match="participants' files"):
        import_target(f"{name}:x")
    assert not list(folder.rglob("*.ran"))
    assert "stranger" not in sys.modules


@pytest.mark.parametrize("linked", ["package", "module", "folder"])
def test_a_link_into_the_data_is_followed_before_anything_is_imported(
    settings, folder, tmp_path_factory, linked
):
    settings.VAR_DIR = data = tmp_path_factory.mktemp("data")
    (data / "inner").mkdir()
    for place in (data, data / "inner"):
        (place / "main.py").write_text(LOUD)
        (place / "__init__.py").write_text(LOUD)
    package = folder / "stranger"
    if linked == "package":
        package.symlink_to(data)
    else:
        package.mkdir()
        (package / "__init__.py").write_text(LOUD)
        if linked == "module":
            (package / "main.py").symlink_to(data / "main.py")
        else:
            (package / "inner").symlink_to(data / "inner")
    name = "stranger.inner.main" if linked == "folder" else "stranger.main"
    with pytest.raises(NotImportable, match="participants' files"):
        import_target(f"{name}:x")
    assert not [*folder.rglob("*.ran"), *data.rglob("*.ran")]


def test_an_archive_below_the_data_is_refused(settings, folder, monkeypatch):
    settings.VAR_DIR = folder
    with zipfile.ZipFile(folder / "code.zip", "w") as archive:
        archive.writestr("stranger.py", LOUD)
    monkeypatch.syspath_prepend(folder / "code.zip")
    with pytest.raises(NotImportable, match="participants' files"):
        import_target("stranger:x")


def test_looking_at_a_module_imports_none_of_the_packages_above_it(folder):
    inner = folder / "stranger" / "deep"
    inner.mkdir(parents=True)
    for place in (inner.parent / "__init__.py", inner / "__init__.py"):
        place.write_text(LOUD)
    (inner / "main.py").write_text(LOUD)
    check_module("stranger.deep.main")
    assert not list(folder.rglob("*.ran"))


@pytest.mark.parametrize(
    "code",
    [
        "def broken(:",
        "undefined_name",
        "raise SystemExit(3)",
        "raise GeneratorExit",
        "class Own(BaseException): pass\nraise Own('leave me')",
        "def deep(): deep()\ndeep()",
        "def __getattr__(name): raise OSError(name)",
    ],
)
def test_whatever_a_module_does_when_it_is_imported_is_refused_in_words(code, folder):
    (folder / "stranger.py").write_text(code)
    with pytest.raises(NotImportable, match=r"\w"):
        import_target("stranger:target")
