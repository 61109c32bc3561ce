"""Control groups are ended as a whole, and say whose memory was used up."""

import pytest

from competitions.local_models import cgroups

EVENTS = "low 0\nhigh 0\nmax 7\noom {}\noom_kill {}\n"
V1 = {
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "memory.limit_in_bytes": "419430400\n",
    "memory.memsw.limit_in_bytes": "419430400\n",
}


@pytest.mark.parametrize(
    ("files", "is_its_own"),
    [
        ({"memory.events": EVENTS.format(1, 1)}, True),
        ({"memory.events": EVENTS.format(0, 1)}, False),
        ({"memory.events": EVENTS.format(1, 0)}, False),
        (
            {
                **V1,
                "memory.max_usage_in_bytes": "419430400\n",
                "memory.memsw.max_usage_in_bytes": "419430400\n",
            },
            True,
        ),
        (  # as a group says that is killed for the limit of the group around it
            {
                **V1,
                "memory.max_usage_in_bytes": "31444992\n",
                "memory.memsw.max_usage_in_bytes": "31707136\n",
            },
            False,
        ),
        ({}, False),
    ],
)
def test_only_a_group_that_filled_its_own_memory_ran_out_of_it(
    tmp_path, files, is_its_own
):
    """The kernel counts a kill in a group, whoever has used the memory up."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert cgroups.ran_out_of_memory([tmp_path]) is is_its_own


def test_a_group_of_version_2_is_killed_as_a_whole(tmp_path, monkeypatch):
    no_process = 2**22 + 1  # beyond the kernel's largest id
    (tmp_path / "cgroup.procs").write_text(f"{no_process}\n")
    (tmp_path / "cgroup.kill").touch()
    monkeypatch.setattr(cgroups, "KILL_S", 0.05)

    cgroups.kill([tmp_path])

    assert (tmp_path / "cgroup.kill").read_text() == "1"
