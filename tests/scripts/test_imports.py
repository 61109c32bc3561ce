"""The picture of the imports in docs/architecture.md is what the code says."""

from scripts import imports


def test_the_picture_is_fresh():
    """`make docs` draws it anew."""
    assert imports.main(["--check"]) == 0


def test_an_arrow_that_others_imply_is_left_out():
    direct = {app: set() for app in imports.APPS}
    direct |= {"feeds": {"core"}, "scoring": {"feeds", "core"}}
    lines = imports.drawn(direct).splitlines()
    assert lines[3:-2] == ["    feeds --> core", "    scoring --> feeds"]
