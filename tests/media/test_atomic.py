"""AtomicFile and StandardOutput: whole files or none, and one clear line when the system refuses."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from nqcodec.errors import OutputError, UsageError
from nqcodec.media import atomic
from nqcodec.media.atomic import AtomicFile, write_all
from nqcodec.media.output import StandardOutput


def test_nothing_has_the_name_before_the_commit(tmp_path: Path) -> None:
    path = tmp_path / "a.nq"
    path.write_bytes(b"old")
    with AtomicFile(path, sync=True) as file:
        file.write(b"new ")
        file.write(memoryview(b"bytes"))
        assert path.read_bytes() == b"old"
        assert file.temporary.parent == tmp_path
    assert path.read_bytes() == b"new bytes"
    assert os.listdir(tmp_path) == ["a.nq"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file(tmp_path: Path, kind: type[BaseException]) -> None:
    path = tmp_path / "a.nq"
    path.write_bytes(b"old")

    def fail() -> None:
        with AtomicFile(path) as file:
            file.write(b"half")
            raise kind

    with pytest.raises(kind):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.nq"]


def test_commit_and_abort_are_idempotent(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a")
    file.write(b"1")
    file.commit()
    file.abort()
    file.commit()
    assert (tmp_path / "a").read_bytes() == b"1"


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with AtomicFile(tmp_path / "a") as file:
            file.write(b"1")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_link_keeps_pointing_at_its_target(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with AtomicFile(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = AtomicFile(tmp_path / "a.nq")
    monkeypatch.setattr(atomic, "write_all", full)
    with pytest.raises(OutputError, match=r"a\.nq: cannot be written: the disk is full"):
        file.write(b"x")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_device_is_written_in_place() -> None:
    with pytest.raises(OutputError, match="the disk is full"), AtomicFile("/dev/full") as file:
        file.write(b"x")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    with AtomicFile(os.devnull) as file:
        file.write(b"x")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_refusals_name_the_cause(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"folder .*none does not exist"):
        AtomicFile(tmp_path / "none" / "a")
    with pytest.raises(OutputError, match="is not a folder"):
        AtomicFile(tmp_path / "file" / "a")
    with pytest.raises(OutputError, match="it is a folder"):
        AtomicFile(tmp_path)


def test_write_all_repeats_short_writes() -> None:
    taken = bytearray()

    class Slow:
        def write(self, data: atomic.Buffer, /) -> int | None:
            taken.extend(bytes(data)[:3])
            return min(3, len(data))

    write_all(Slow(), b"0123456789")
    assert taken == b"0123456789"


def test_a_reader_that_went_away_is_an_output_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as stream, pytest.raises(OutputError, match="closed by its reader"):
        StandardOutput(stream).write(b"x")


def test_a_terminal_is_refused() -> None:
    main, terminal = os.openpty()
    with open(main, "rb", buffering=0), open(terminal, "wb", buffering=0) as stream, pytest.raises(UsageError):
        StandardOutput(stream)
