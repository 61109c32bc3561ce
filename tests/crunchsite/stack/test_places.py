from pathlib import Path

from crunchsite.settings import places


def test_a_socket_lies_under_var(tmp_path):
    tmp_path.chmod(0o755)
    if places.needs_stand_in(tmp_path):
        return  # pytest's own folder is closed to others; the next test covers that
    assert places.socket_dir(tmp_path, "postgres") == tmp_path / "postgres" / "run"


def test_a_path_too_long_for_a_socket_gets_a_short_stand_in():
    var = Path("/" + "deep/" * 30)
    place = places.socket_dir(var, "valkey")
    assert len(str(place)) <= places.LONGEST_SOCKET_DIR
    assert place == places.socket_dir(var, "valkey")
    assert place != places.socket_dir(var / "other", "valkey")


def test_a_folder_closed_to_others_is_not_reachable(tmp_path):
    inner = tmp_path / "private" / "inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    assert not places.is_reachable(inner)
