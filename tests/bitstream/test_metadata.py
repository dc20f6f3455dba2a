"""What a file keeps of a clip beside its pictures: packed and read again, its errors, and how it is shown."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from mutations import random_file

from nqcodec.bitstream.chunks import FRAMING_BYTES, SIGNATURE, pack_chunk, read_chunks
from nqcodec.bitstream.file import parse_file
from nqcodec.bitstream.header import pack_video
from nqcodec.bitstream.metadata import PARSERS, pack_metadata, pack_times, parse_times
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.stream import NqStream
from nqcodec.bitstream.writer import pack_file
from nqcodec.cli.info import file_info, info_lines
from nqcodec.errors import FormatError
from nqcodec.media.metadata import DisplayMatrix, FrameTimes, LightLevel, MasteringDisplay, Metadata
from nqcodec.media.video import Video
from nqcodec.network.program import Limits

FULL = Metadata(
    FrameTimes.of(Fraction(1, 16000), 3200, [640, 1280, 640, 640, 640, 2080, 160]),
    MasteringDisplay((34000, 16000), (13250, 34500), (7500, 3000), (15635, 16450), 10_000_000, 50),
    LightLevel(1000, 400),
    DisplayMatrix((0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30)),
    "nqcodec 0.1.0 bpp=0.1",
)


HEADER = SIGNATURE + pack_chunk("VHDR", pack_video(Video(8, 6)))


def read_back(packed: bytes) -> Metadata:
    """What chunks about the whole video say."""
    return NqStream(HEADER + packed + pack_chunk("NEND", b""), "x.nq").metadata


def read_times(payload: bytes, frames: int) -> FrameTimes:
    """What fTIM says of a segment of so many frames."""
    return parse_times(Reader(payload, path="x.nq", chunk="fTIM"), frames)


def test_chunks_are_read_as_they_were_packed() -> None:
    assert read_back(pack_metadata(FULL)) == replace(FULL, times=None)
    assert FULL.times is not None
    assert read_times(pack_times(FULL.times), 7) == FULL.times
    assert read_back(pack_metadata(Metadata(light=FULL.light))) == Metadata(light=FULL.light)
    assert pack_metadata(Metadata()) == b""
    assert read_back(b"") == Metadata()
    assert not Metadata()
    assert Metadata(encoder="x")


def test_the_tick_is_the_coarsest_that_is_exact() -> None:
    assert FULL.times is not None
    assert FULL.times.tick == Fraction(1, 100)
    assert FULL.times.start == 20
    assert FULL.times.runs == ((4, 1), (8, 1), (4, 3), (13, 1), (1, 1))
    assert FULL.times.frames == 7


def test_times_of_single_frames_and_of_parts() -> None:
    times = FULL.times
    assert times is not None
    assert [times.ticks(frame) for frame in range(8)] == [0, 4, 12, 16, 20, 24, 37, 38]
    for start in range(7):
        for stop in range(start + 1, 8):
            part = times.cut(start, stop)
            assert part.start == 20 + times.ticks(start)
            wanted = [times.ticks(frame) - times.ticks(start) for frame in range(start, stop + 1)]
            assert [part.ticks(frame) for frame in range(stop - start + 1)] == wanted
    assert FULL.cut(1, 3).times == times.cut(1, 3)
    assert Metadata(light=FULL.light).cut(1, 3) == Metadata(light=FULL.light)


def test_values_that_do_not_fit_are_not_packed() -> None:
    for times in (
        FrameTimes(Fraction(1, 1 << 33), 0, ((1, 1),)),
        FrameTimes(Fraction(1), 1 << 32, ((1, 1),)),
        FrameTimes(Fraction(1), 0, ((1 << 31, 1),)),
    ):
        with pytest.raises(ValueError, match="fit"):
            pack_times(times)


@pytest.mark.parametrize("kind", PARSERS)
def test_errors_name_chunk_and_byte(kind: str) -> None:
    chunks = {chunk.kind: chunk for chunk in read_chunks(HEADER + pack_metadata(FULL) + pack_chunk("NEND", b""), "")}
    payload, after = chunks[kind].payload, len(HEADER) + FRAMING_BYTES
    with pytest.raises(FormatError, match=f"^x.nq, chunk {kind}, byte "):
        read_back(pack_chunk(kind, payload + b"\0"))
    with pytest.raises(FormatError, match=f"^x.nq, chunk {kind}, byte {after + len(payload)}: .* only one"):
        read_back(pack_chunk(kind, payload) * 2)


def test_a_hostile_run_of_frames_takes_no_memory() -> None:
    frames = 1 << 24
    times = read_times(pack_times(FrameTimes(Fraction(1), 0, ((3, frames),))), frames)
    assert times.runs == ((3, frames),)
    assert times.ticks(frames) == 3 * frames


def test_a_file_with_metadata_differs_by_its_chunks_alone() -> None:
    plain = parse_file(random_file(2), "x.nq")
    segments = [(entry.frames, pack_segment(entry.decode().network, md5=entry.head.md5)) for entry in plain.index]
    metadata = Metadata(matrix=FULL.matrix, encoder=FULL.encoder)
    without, data = pack_file(plain.video, segments), pack_file(plain.video, segments, metadata=metadata)
    assert without == pack_file(plain.video, segments, metadata=Metadata()) == random_file(2)
    assert len(data) == len(without) + len(pack_metadata(metadata))
    file = parse_file(data, "x.nq")
    assert file.metadata == metadata
    assert file.version == plain.version


@pytest.mark.parametrize(
    ("values", "rotation", "mirrored"),
    [
        ((65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), 0, False),
        ((0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30), 90, False),
        ((0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30), -90, False),
        ((-65536, 0, 0, 0, -65536, 0, 0, 0, 1 << 30), 180, False),
        ((-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), 180, True),
    ],
)
def test_rotation_of_a_display_matrix(values: tuple[int, ...], rotation: int, mirrored: bool) -> None:
    matrix = DisplayMatrix(values)
    assert (matrix.rotation, matrix.mirrored) == (rotation, mirrored)


def test_info_shows_all() -> None:
    plain = parse_file(random_file(2), "x.nq")
    segments = [(entry.frames, pack_segment(entry.decode().network, md5=entry.head.md5)) for entry in plain.index]
    times = FrameTimes(Fraction(1, 100), 20, ((4, 1), (9, plain.video.frames - 1)))
    metadata = Metadata(times, FULL.mastering, FULL.light, FULL.matrix, FULL.encoder)
    info = file_info(parse_file(pack_file(plain.video, segments, metadata=metadata), "x.nq"), Limits())
    assert info["metadata"]["frame_times"]["runs_of_ticks_and_frames"] == [[4, 1], [9, plain.video.frames - 1]]
    assert info["metadata"]["mastering_display"]["max_luminance_cd_m2"] == 1000
    text = "\n".join(info_lines(info))
    for shown in (
        "encoder nqcodec 0.1.0 bpp=0.1",
        "frame times: frames last 40.000 to 90.000 ms",
        "0.200 s into the source",
        "mastering display red 0.68000, 0.32000",
        "luminance 0.005 to 1000 cd/m2",
        "MaxCLL 1000, MaxFALL 400 cd/m2",
        "display matrix rotation 90 degrees (0 -65536",
    ):
        assert shown in text
    assert file_info(plain, Limits())["metadata"] == {}
    constant = Metadata(FrameTimes(Fraction(1, 25), 50, ((1, plain.video.frames),)))
    info = file_info(parse_file(pack_file(plain.video, segments, metadata=constant), "x.nq"), Limits())
    assert "frames last 40.000 ms, in ticks of 1/25 s; the first is 2.000 s" in "\n".join(info_lines(info))
