"""Files cut apart at their segments' borders and joined again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from segmented import METADATA, VIDEO, segmented

from nqcodec.bitstream.file import NqFile, parse_file
from nqcodec.bitstream.splice import cut_file, join_files
from nqcodec.decoder.decoder import Decoder
from nqcodec.errors import InputError, LimitError, UsageError
from nqcodec.media.metadata import LightLevel, Metadata
from nqcodec.media.video import frame_bytes

FILES = {
    "plain": segmented([1, 2, 3]),
    "one program": segmented([1, 1, 1]),
    "programs that come and go": segmented([1, 2, 1, 3, 3]),
    "times and hashes": segmented([1, 2, 3, 4], hashed=True, timed=True),
    "clips": segmented([1, 1, 2, 2, 1], clips=["a", None, "b", None, "c"]),
    "no metadata": segmented([5, 6], metadata=None),
    "index": segmented([5] * 17, metadata=None),
}


def cut(data: bytes, start: int, stop: int, name: str = "x.nq") -> bytes:
    out = bytearray()
    cut_file(parse_file(data, name), start, stop, out.extend)
    return bytes(out)


def join(*parts: bytes, clips: bool = False, names: tuple[str, ...] = ("a.nq", "b.nq", "c.nq")) -> bytes:
    out = bytearray()
    join_files([parse_file(part, name) for part, name in zip(parts, names, strict=False)], out.extend, clips=clips)
    return bytes(out)


def frames(data: bytes) -> list[bytes]:
    return [frame_bytes(frame) for frame in Decoder(parse_file(data, "x.nq")).frames()]


def clips_of(file: NqFile) -> list[tuple[str, int, int, int]]:
    return [(clip.name, clip.first, clip.frames, clip.start) for clip in file.clips]


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_what_is_cut_apart_and_joined_is_the_file_it_was(data: bytes) -> None:
    count = parse_file(data, "x.nq").video.frames
    for border in range(2, count, 2):
        assert join(cut(data, 0, border), cut(data, border, count)) == data
    assert cut(data, 0, count) == data


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_part_has_the_frames_and_the_very_segments(data: bytes) -> None:
    whole, shown = parse_file(data, "x.nq"), frames(data)
    count = whole.video.frames
    for start in range(0, count, 2):
        for stop in range(start + 2, count + 1, 2):
            part = cut(data, start, stop)
            assert frames(part) == shown[start:stop]
            file = parse_file(part, "part.nq")
            assert [entry.chunk.payload for entry in file.index] == [
                entry.chunk.payload for entry in whole.index[start // 2 : stop // 2]
            ]
            assert file.metadata == whole.metadata.cut(start, stop)


def test_other_places_name_the_nearest_borders() -> None:
    with pytest.raises(UsageError, match=r"1:4 .* nearest are 0 and 2 for 1$"):
        cut(FILES["plain"], 1, 4)
    with pytest.raises(UsageError, match=r"nearest are 2 and 4 for 3 and 4 and 6 for 5$"):
        cut(FILES["plain"], 3, 5)


def test_a_clip_that_is_cut_goes_on_under_its_name() -> None:
    data = FILES["clips"]
    assert clips_of(parse_file(data, "x.nq")) == [("a", 0, 4, 0), ("b", 4, 4, 0), ("c", 8, 2, 0)]
    assert clips_of(parse_file(cut(data, 2, 6), "x.nq")) == [("a", 0, 2, 2), ("b", 2, 2, 0)]
    again = cut(cut(data, 2, 8), 4, 6)
    assert clips_of(parse_file(again, "x.nq")) == [("b", 0, 2, 2)]
    first, last = cut(data, 0, 6), cut(data, 6, 10)
    assert clips_of(parse_file(join(last, first), "x.nq")) == [
        ("b", 0, 2, 2), ("c", 2, 2, 0), ("a", 4, 4, 0), ("b", 8, 2, 0),
    ]  # fmt: skip


def test_files_are_kept_apart_as_clips_where_asked_or_needed() -> None:
    plain, named = FILES["plain"], FILES["clips"]
    assert clips_of(parse_file(join(plain, plain), "x.nq")) == []
    assert clips_of(parse_file(join(plain, plain, clips=True), "x.nq")) == [("a", 0, 6, 0), ("b", 6, 6, 0)]
    assert clips_of(parse_file(join(named, plain), "x.nq"))[-2:] == [("c", 8, 2, 0), ("b", 10, 6, 0)]
    assert clips_of(parse_file(join(plain, named), "x.nq"))[:2] == [("", 0, 6, 0), ("a", 6, 4, 0)]


def test_only_files_of_one_format_are_joined() -> None:
    other = segmented([1], video=replace(VIDEO, width=14))
    with pytest.raises(InputError, match=r"b.nq: width is 14, and 12 in a.nq"):
        join(FILES["plain"], other)
    bright = segmented([1], metadata=replace(METADATA, light=LightLevel(1, 1)))
    with pytest.raises(InputError, match=r"b.nq: its cLLI \(light\) is not that of a.nq"):
        join(FILES["plain"], bright)


def test_encoders_that_differ_are_left_out_and_named() -> None:
    out, files = bytearray(), [parse_file(FILES["plain"], "a.nq")]
    files.append(parse_file(segmented([7], metadata=replace(METADATA, encoder="another")), "b.nq"))
    assert join_files(files, out.extend) == ["left out: encoder and settings, which differ"]
    assert parse_file(bytes(out), "x.nq").metadata == Metadata(light=METADATA.light)


def test_no_file_has_more_frames_than_the_limit() -> None:
    file = parse_file(FILES["plain"], "a.nq")
    long = replace(file, video=file.video.with_frames(1 << 24))
    with pytest.raises(LimitError, match=r"joined, .* 16777222 frames"):
        join_files([long, file], bytearray().extend)


def test_what_is_whole_of_a_damaged_file_can_be_cut_out() -> None:
    data = FILES["one program"]
    file = parse_file(data[:-100], "cut.nq", partly=True)
    out = bytearray()
    cut_file(file, 0, file.video.frames, out.extend)
    assert frames(bytes(out)) == frames(data)[: file.video.frames]
