"""What open_source and open_sink choose, refuse and promise, whatever the format."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from formats_clips import assert_same, broken_off, noise, video, write

from nqcodec.errors import InputError, LimitError, OutputError, UsageError
from nqcodec.media import atomic
from nqcodec.media.colour import as_yuv, convert
from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.media.video import Chroma


@pytest.fixture
def y4m(tmp_path: Path) -> Path:
    clip = video(frames=5)
    write(tmp_path / "clip.y4m", clip, noise(clip))
    return tmp_path / "clip.y4m"


@pytest.mark.parametrize(
    ("start", "count", "wanted"),
    [(0, None, slice(0, 5)), (2, None, slice(2, 5)), (1, 2, slice(1, 3)), (3, 9, slice(3, 5))],
)
def test_start_and_count(y4m: Path, start: int, count: int | None, wanted: slice) -> None:
    frames = noise(video(frames=5))[wanted]
    with open_source(y4m, start=start, count=count) as source:
        assert source.video.frames == len(frames)
        assert_same(source, frames)
    with y4m.open("rb") as pipe, open_source("-", stdin=pipe, start=start, count=count) as source:
        assert_same(source, frames)


def test_start_past_the_end(y4m: Path) -> None:
    with pytest.raises(InputError, match=r"--seek 5 asks for a frame, but the clip has only 5 frames"):
        open_source(y4m, start=5)
    with y4m.open("rb") as pipe, pytest.raises(InputError, match="ends before it"):
        list(open_source("-", stdin=pipe, start=5))


def test_magic_wins_over_the_name(y4m: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "clip.yuv"
    renamed.write_bytes(y4m.read_bytes())
    with open_source(renamed) as source:
        assert source.video.frames == 5


def test_frames_are_writable(y4m: Path) -> None:
    with open_source(y4m) as source:
        assert all(plane.flags.writeable for frame in source for plane in frame)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"input_res": (18, 33)}, "--input-res 18x33 contradicts the clip, which has 17x33"),
        ({"csp": "i444"}, "--input-csp i444 contradicts the clip, which has i420"),
        ({"depth": 10}, "--input-depth 10 contradicts the clip, which has 8"),
        ({"fps": Fraction(25)}, "--fps 25 contradicts the clip, which has 30000/1001"),
        ({"csp": "nv12"}, "--input-csp nv12: must be one of i400"),
        ({"depth": 16}, "--input-depth 16: must be 8 to 12"),
        ({"fps": Fraction(0)}, "--fps 0: the rate must be above 0"),
        ({"input_res": (0, 4)}, "--input-res 0x4"),
        ({"start": -1}, "--seek must be at least 0"),
        ({"count": 0}, "--frames at least 1"),
    ],
)
def test_options_that_do_not_fit(y4m: Path, option: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(y4m, **option)


def test_options_that_agree_are_taken(y4m: Path) -> None:
    with open_source(y4m, input_res=(17, 33), fps=Fraction(30000, 1001), csp="i420", depth=8) as source:
        assert source.video.frames == 5


def test_raw_needs_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.yuv").write_bytes(bytes(24))
    with pytest.raises(UsageError, match=r"a\.yuv: raw video does not state its size; give --input-res WIDTHxHEIGHT"):
        open_source(tmp_path / "a.yuv")


def test_files_that_hold_nothing(tmp_path: Path) -> None:
    for name in ("a.yuv", "a.y4m", "a.mp4"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match=rf"{name}: the file is empty"):
            open_source(tmp_path / name, input_res=(4, 4))
        with pytest.raises(InputError, match=rf"no{name}: no such file"):
            open_source(tmp_path / f"no{name}")
    with pytest.raises(InputError, match="standard input: no data came"):
        open_source("-", stdin=io.BytesIO(), input_res=(4, 4))
    head = b"YUV4MPEG2 W4 H4 F25:1\n"
    (tmp_path / "zero.y4m").write_bytes(head)
    with pytest.raises(InputError, match=r"zero\.y4m: the clip has zero frames"):
        open_source(tmp_path / "zero.y4m")
    with pytest.raises(InputError, match="standard input: the clip has zero frames"):
        list(open_source("-", stdin=io.BytesIO(head)))
    (tmp_path / "false.y4m").write_bytes(b"RIFF" * 9)
    with pytest.raises(InputError, match=r"false\.y4m: not a y4m file"):
        open_source(tmp_path / "false.y4m")


def test_absurd_sizes_are_refused_before_a_frame_is_allocated(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="frames of 999999999x999999999 exceed the limit of 67108864 pixels"):
        open_source("-", stdin=io.BytesIO(b"YUV4MPEG2 W999999999 H999999999 F25:1\nFRAME\n"))
    (tmp_path / "a.yuv").write_bytes(b"x")
    with pytest.raises(LimitError, match="exceed the limit"):
        open_source(tmp_path / "a.yuv", input_res=(10**6, 10**6))


def test_a_named_pipe(y4m: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    copy = subprocess.Popen(["cp", str(y4m), str(tmp_path / "pipe")])
    with copy, open_source(tmp_path / "pipe", start=1) as source:
        assert_same(source, noise(video(frames=5))[1:])


def test_from_pipe_to_pipe() -> None:
    code = (
        "from nqcodec.media.source import open_source\nfrom nqcodec.media.sink import open_sink\n"
        "with open_source('-') as source, open_sink('-', source.video) as sink:\n"
        "    for frame in source: sink.write(frame)\n"
    )
    clip = video("422", 10, (64, 48), frames=20)
    data = io.BytesIO()
    write("-", clip, noise(clip), stdout=data)
    done = subprocess.run(
        [sys.executable, "-c", code], input=data.getvalue(), capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    assert done.stdout == data.getvalue()


def test_a_reader_that_leaves_gives_one_error_and_a_quiet_exit() -> None:
    code = (
        "import sys\nfrom nqcodec.errors import OutputError\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1] / 'support')!r})\n"
        "from formats_clips import noise, video, write\n"
        "clip = video(size=(256, 256), frames=8)\n"
        "try:\n    write('-', clip, noise(clip))\n"
        "except OutputError as error:\n    print(error, file=sys.stderr)\n    sys.exit(1)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(100)
        child.stdout.close()
        assert child.stderr.read() == b"standard output: cannot be written: closed by its reader before the end\n"
    assert child.returncode == 1


def test_standard_output_in_both_formats() -> None:
    clip = video(frames=1)
    for raw, head in ((False, b"YUV4MPEG2"), (True, noise(clip)[0][0].tobytes()[:9])):
        data = io.BytesIO()
        write("-", clip, noise(clip), stdout=data, raw=raw)
        assert data.getvalue().startswith(head)


def test_rgb_goes_to_y4m_as_yuv_and_to_raw_as_it_is(tmp_path: Path) -> None:
    clip = video("rgb")
    for name in ("a.y4m", "a.yuv"):
        write(tmp_path / name, clip, noise(clip))
    target = as_yuv(clip)
    assert (target.chroma, target.colour.matrix, target.colour.full_range) == (Chroma.C444, 6, False)
    with open_source(tmp_path / "a.y4m") as source:
        assert not source.video.is_rgb
        assert_same(source, [convert(frame, clip, target) for frame in noise(clip)])
    with open_source(tmp_path / "a.yuv", input_res=(17, 33), csp="gbr") as source:
        assert_same(source, noise(clip))


@pytest.mark.parametrize("name", ["a.y4m", "a.yuv", "a.mkv", "f_%02d.png"])
def test_an_error_leaves_nothing(tmp_path: Path, name: str) -> None:
    clip = video()
    with pytest.raises(RuntimeError):
        write(tmp_path / name, clip, broken_off(clip, RuntimeError()))
    with pytest.raises(OutputError, match="no frame was written"):
        write(tmp_path / name, clip, [])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a.y4m", "a.yuv"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = video()
    (tmp_path / name).write_bytes(b"old")
    written = 0

    def fill_up(stream: atomic.RawOutput, data: atomic.Buffer) -> None:
        nonlocal written
        written += len(data)
        if written > 2 * clip.frame_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        stream.write(data)

    monkeypatch.setattr(atomic, "write_all", fill_up)
    with pytest.raises(OutputError, match="the disk is full"):
        write(tmp_path / name, clip, noise(clip))
    assert (tmp_path / name).read_bytes() == b"old"
    assert os.listdir(tmp_path) == [name]


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    clip = video()
    with pytest.raises(OutputError, match=r"a\.xyz: unknown extension; use \.y4m"):
        open_sink(tmp_path / "a.xyz", clip)
    for name in ("a.y4m", "a.mp4", "%d.png"):
        path = tmp_path / "one" / "two" / name
        with pytest.raises(OutputError, match="does not exist"):
            open_sink(path, clip)
    with pytest.raises(UsageError, match="exclude each other"):
        open_sink("-", clip, y4m=True, raw=True)
    assert os.listdir(tmp_path) == []


def test_foreign_frames_and_late_ones_are_programming_errors(tmp_path: Path) -> None:
    clip = video()
    sink = open_sink(tmp_path / "a.y4m", clip)
    with pytest.raises(ValueError, match="do not make a frame"):
        sink.write(noise(video(size=(16, 16)))[0])
    with pytest.raises(ValueError, match="do not make a frame"):
        sink.write(tuple(plane.astype(np.uint16) for plane in noise(clip)[0]))
    sink.write(noise(clip)[0])
    sink.close()
    sink.close()
    sink.abort()
    with pytest.raises(ValueError, match="is closed"):
        sink.write(noise(clip)[0])
    assert os.listdir(tmp_path) == ["a.y4m"]
