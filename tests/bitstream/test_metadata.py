"""What a file keeps of a clip beside its pictures: packed and read again, its errors, and how it is shown."""

from __future__ import annotations

from fractions import Fraction

import pytest
from mutations import random_file

from nqcodec.bitstream.chunks import FRAMING_BYTES, SIGNATURE, pack_chunk, read_chunks
from nqcodec.bitstream.file import overhead_bytes, pack_file, parse_file
from nqcodec.bitstream.metadata import PARSERS, pack_metadata, parse_metadata
from nqcodec.bitstream.segment import PackedSegment
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


def read_back(packed: bytes, frames: int) -> Metadata:
    """What chunks say."""
    chunks = list(read_chunks(SIGNATURE + packed + pack_chunk("NEND", b""), "x.nq"))
    return parse_metadata(chunks, Video(8, 6, frames), "x.nq")


def test_chunks_are_read_as_they_were_packed() -> None:
    assert read_back(pack_metadata(FULL), 7) == FULL
    assert read_back(pack_metadata(Metadata(light=FULL.light)), 7) == Metadata(light=FULL.light)
    assert pack_metadata(Metadata()) == b""
    assert read_back(b"", 7) == Metadata()
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
            pack_metadata(Metadata(times=times))


@pytest.mark.parametrize("kind", PARSERS)
def test_errors_name_chunk_and_byte(kind: str) -> None:
    chunks = {chunk.kind: chunk for chunk in read_chunks(SIGNATURE + pack_metadata(FULL) + pack_chunk("NEND", b""), "")}
    payload = chunks[kind].payload
    with pytest.raises(FormatError, match=f"^x.nq, chunk {kind}, byte "):
        read_back(pack_chunk(kind, payload + b"\0"), 7)
    with pytest.raises(FormatError, match=f"^x.nq, chunk {kind}, byte {8 + FRAMING_BYTES + len(payload)}: .* only one"):
        read_back(pack_chunk(kind, payload) * 2, 7)


def test_a_hostile_run_of_frames_takes_no_memory() -> None:
    frames = 1 << 24
    kept = read_back(pack_metadata(Metadata(times=FrameTimes(Fraction(1), 0, ((3, frames),)))), frames)
    assert kept.times is not None
    assert kept.times.runs == ((3, frames),)
    assert kept.times.ticks(frames) == 3 * frames


def test_a_file_with_metadata_differs_by_its_chunks_alone() -> None:
    plain = parse_file(random_file(2), "x.nq")
    segments = [
        (entry.frames, PackedSegment(chunk.payload, {}, plain.version[1]))
        for entry, chunk in zip(plain.index, (c for c in plain.chunks if c.kind == "SEGM"), strict=True)
    ]
    metadata = Metadata(matrix=FULL.matrix, encoder=FULL.encoder)
    without, data = pack_file(plain.video, segments), pack_file(plain.video, segments, metadata=metadata)
    assert without == pack_file(plain.video, segments, metadata=Metadata()) == random_file(2)
    assert len(data) == len(without) + len(pack_metadata(metadata))
    assert len(without) == overhead_bytes(len(segments)) + sum(len(one.payload) for _, one in segments)
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
    segments = [
        (entry.frames, PackedSegment(chunk.payload, {}, plain.version[1]))
        for entry, chunk in zip(plain.index, (c for c in plain.chunks if c.kind == "SEGM"), strict=True)
    ]
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
