import pytest

from core.imports import NotImportable, import_target


def test_a_path_leads_to_what_a_module_holds():
    assert import_target("math:pi") == pytest.approx(3.14159, abs=1e-5)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("math", "give module.path:callable"),
        (":pi", "give module.path:callable"),
        ("math:", "give module.path:callable"),
        ("nowhere_at_all:x", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("math:tau_and_a_half", "math has no tau_and_a_half"),
        ("..up:x", "TypeError"),
        ("a\0b:x", "a"),
    ],
)
def test_a_path_that_leads_nowhere_says_why(path, said):
    with pytest.raises(NotImportable, match=said):
        import_target(path)


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
def test_whatever_a_module_does_when_it_is_imported_is_refused_in_words(
    code, tmp_path, monkeypatch
):
    (tmp_path / "mischief_of_b.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "mischief_of_b", raising=False)
    with pytest.raises(NotImportable, match=r"\w"):
        import_target("mischief_of_b:target")
