"""The audit distinguishes "none known" from "not checked"."""

from scripts.audit import verdict

SOUND = {"name": "alembic", "version": "1.20.1", "vulns": []}
SKIPPED = {"name": "redis", "skip_reason": "not found"}
BAD = {
    "name": "django",
    "version": "5.2.1",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["5.2.2"]}],
}


def test_all_sound_is_0():
    assert verdict([SOUND]) == (0, ["1 of 1 packages checked"])


def test_a_known_vulnerability_is_1_and_named():
    code, lines = verdict([SOUND, BAD, SKIPPED])
    assert code == 1
    assert lines == [
        "django 5.2.1: PYSEC-1, mended in 5.2.2",
        "not checked: redis",
        "2 of 3 packages checked",
    ]


def test_an_unreachable_database_is_no_answer():
    code, (line,) = verdict([SKIPPED])
    assert code == 4
    assert line.startswith("None of 1 packages could be checked")
