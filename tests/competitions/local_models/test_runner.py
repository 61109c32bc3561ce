"""What a model's process can import of the engine."""

from pathlib import Path

import pytest

from competitions.local_models.runner import PROJECT, without_project


@pytest.mark.parametrize(
    ("project", "kept"),
    [("/clone", ["/lib", "/venv/site-packages"]), ("/venv/site-packages", None)],
)
def test_models_do_not_see_a_clone_and_keep_the_packages_of_a_wheel(project, kept):
    paths = ["/clone", "/lib", "/venv/site-packages"]
    project_seen = without_project(
        paths, project=Path(project), installed="/venv/site-packages"
    )
    assert project_seen == (kept or paths)


def test_of_this_engine_models_see_nothing_around_their_modules():
    assert without_project([str(PROJECT), "/lib"]) == ["/lib"]
