"""A file is replaced whole or not at all, and no link leads the writer elsewhere."""

import os
import stat
from pathlib import Path

import pytest

from collector import files


def test_a_file_gets_its_content_and_mode_and_nothing_is_left_beside_it(tmp_path):
    file = tmp_path / "token"
    files.replace(file, b"old", mode=0o600)
    files.replace(file, b"new", mode=0o600)
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["token"]


def test_a_device_is_never_replaced():
    with pytest.raises(OSError, match="it is a device"):
        files.replace(Path("/dev/null"), b"new")
    assert Path("/dev/null").is_char_device()


def test_where_the_block_fails_the_old_file_stays(tmp_path):
    file = tmp_path / "state"
    file.write_bytes(b"old")

    def write_half():
        with files.replacing(file) as opened:
            opened.write(b"half")
            raise ValueError("the rest cannot be had")

    with pytest.raises(ValueError, match="the rest"):
        write_half()
    assert file.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state"]


def test_what_a_killed_run_left_is_no_obstacle(tmp_path):
    (tmp_path / ".state.new").write_bytes(b"half")
    files.replace(tmp_path / "state", b"whole")
    assert (tmp_path / "state").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["state"]


def test_no_link_is_followed(tmp_path):
    victim = tmp_path / "shadow"
    victim.write_bytes(b"root's")
    (tmp_path / ".state.new").symlink_to(victim)
    (tmp_path / "state").symlink_to(victim)
    files.replace(tmp_path / "state", b"new")
    assert victim.read_bytes() == b"root's"
    assert not (tmp_path / "state").is_symlink()
    assert (tmp_path / "state").read_bytes() == b"new"


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.replace(tmp_path / "none" / "state", b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_can_belong_to_the_owner_of_the_folder(tmp_path):
    os.chown(tmp_path, 4321, 4322)
    files.replace(tmp_path / "given", b"", give=True)
    files.replace(tmp_path / "kept", b"")
    assert [(tmp_path / name).stat().st_uid for name in ("given", "kept")] == [4321, 0]


def test_only_a_regular_file_is_read_and_nothing_else_is_waited_for(tmp_path):
    (tmp_path / "file").write_bytes(b"here")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert files.read(tmp_path / "file") == b"here"
    assert files.read(tmp_path / "link", follow=True) == b"here"
    before = len(os.listdir("/proc/self/fd"))
    for name in ("link", "zero", "folder", "pipe"):
        with pytest.raises(OSError, match=name):
            files.read(tmp_path / name)
    for name in ("zero", "folder", "pipe"):
        with pytest.raises(OSError, match=r"not a regular file|directory"):
            files.read(tmp_path / name, follow=True)
    assert len(os.listdir("/proc/self/fd")) == before
