"""Files are written whole or not at all, with the access that the umask leaves."""

import os
import stat

import pytest

from core.files import new_folder, replacing, write_file


@pytest.fixture(params=[0o022, 0o027])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def access(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_whole(tmp_path):
    target = tmp_path / "deep" / "file.json"
    write_file(target, b"one")
    write_file(target, "two \u00e9")
    assert target.read_bytes() == b"two \xc3\xa9"
    assert list(target.parent.iterdir()) == [target]


def test_access_follows_the_umask_and_secrets_stay_with_their_owner(tmp_path, umask):
    write_file(tmp_path / "open", b"")
    write_file(tmp_path / "secret", b"", is_secret=True)
    assert access(tmp_path / "open") == 0o666 & ~umask
    assert access(tmp_path / "secret") == 0o600
    assert access(new_folder(tmp_path / "folder")) == 0o777 & ~umask


def test_a_replaced_file_gets_the_access_of_a_new_one(tmp_path, umask):
    target = tmp_path / "file"
    target.touch(mode=0o600)
    write_file(target, b"new")
    assert access(target) == 0o666 & ~umask


def test_a_failure_leaves_the_old_file_and_no_draft(tmp_path):
    target = tmp_path / "file"
    write_file(target, b"old")

    def stop_half_way():
        with replacing(target) as draft:
            draft.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_built_aside_is_hidden_and_of_its_own(tmp_path):
    first, second = (new_folder(tmp_path / "deep" / "target") for _ in range(2))
    assert first != second
    assert first.parent == second.parent == tmp_path / "deep"
    assert first.name.startswith(".target.")
