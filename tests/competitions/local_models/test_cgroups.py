"""Control groups are ended as a whole."""

from competitions.local_models import cgroups


def test_a_group_of_version_2_is_killed_as_a_whole(tmp_path, monkeypatch):
    no_process = 2**22 + 1  # beyond the kernel's largest id
    (tmp_path / "cgroup.procs").write_text(f"{no_process}\n")
    (tmp_path / "cgroup.kill").touch()
    monkeypatch.setattr(cgroups, "KILL_S", 0.05)

    cgroups.kill([tmp_path])

    assert (tmp_path / "cgroup.kill").read_text() == "1"
