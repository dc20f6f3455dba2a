"""Container and syntax: round trips of random networks, and every way in which a file can be damaged."""

from __future__ import annotations

import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from bitstream_cases import SMALL, assert_same
from hypothesis import given
from hypothesis import strategies as st
from random_networks import random_network

from nqcodec.bitstream import MINOR
from nqcodec.bitstream.chunks import FRAMING_BYTES, SIGNATURE, pack_chunk, read_chunks
from nqcodec.bitstream.file import NqFile, parse_file, read_file
from nqcodec.bitstream.header import pack_video, parse_video
from nqcodec.bitstream.operations import parse_program
from nqcodec.bitstream.reader import Reader, write_sv, write_uv
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.writer import overhead_bytes, pack_file
from nqcodec.errors import FormatError, LimitError, NqError, UnsupportedError
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.operations import OPERATIONS
from nqcodec.network.program import Limits

VIDEO = Video(37, 21, 3, Fraction(30000, 1001), Chroma.C420, 10, Colour(1, 13, 5, True, 2), Fraction(4, 3))


def network(seed: int, video: Video = VIDEO) -> IntegerNetwork:
    """A legal random network."""
    return random_network(np.random.default_rng(seed), video)


HEADER_END = len(SIGNATURE) + FRAMING_BYTES + len(pack_video(VIDEO))


def packed(seed: int = 0, before: bytes = b"") -> bytes:
    """A file of one random segment, and chunks before it."""
    data = pack_file(VIDEO, [(3, pack_segment(network(seed)))])
    return data[:HEADER_END] + before + data[HEADER_END:]


def several(count: int = 3) -> bytes:
    """A file of segments of two frames each, the first two of one program, and its index."""
    video = replace(VIDEO, frames=2)
    networks = [network(7, video), network(7, video), network(8, video)][:count]
    return pack_file(replace(VIDEO, frames=2 * count), [(2, pack_segment(one)) for one in networks])


@pytest.mark.parametrize("seed", range(30))
def test_networks_round_trip(seed: int) -> None:
    original = network(seed)
    segment = pack_segment(original, md5=bytes(range(16)))
    assert sum(segment.parts.values()) == segment.size == len(segment.payload(VIDEO)) - 1
    file = parse_file(pack_file(VIDEO, [(3, segment)]), "x.nq")
    assert file.video == VIDEO
    decoded = file.segment(0)
    assert decoded.md5 == bytes(range(16))
    assert decoded.parts == {**segment.parts, "header": segment.parts["header"] + 1}
    assert sum(file.parts().values()) == file.size
    assert_same(original, decoded.network)


def test_coders_give_the_same_file() -> None:
    files = {pack_segment(network(7), coder).coded for coder in ("native", "python", "torchac")}
    assert len(files) == 1


def test_coders_give_the_same_bytes_on_real_layers(sample: Path) -> None:
    """The sample's own network, coded anew by each coder, is the segment in the sample."""
    file = read_file(sample)
    segment = file.segment(0)
    for coder in ("native", "python", "torchac"):
        made = pack_segment(segment.network, coder, segment.md5).payload(file.video)
        assert made == file.index[0].chunk.payload


def test_coded_size_is_near_the_entropy_of_real_layers(sample: Path) -> None:
    """Tensors of 10,000 symbols and more: within 1.5 % of the empirical entropy of their integers."""
    layout, network = read_file(sample).layout(0), read_file(sample).segment(0).network
    large = [entry for entry in layout.tensors if np.prod(entry.shape) >= 10_000]
    assert large
    for entry in large:
        values = network.layers[entry.index].tensors[entry.name].values
        counts = np.unique(values, return_counts=True)[1]
        entropy = float(-(counts * np.log2(counts / values.size)).sum()) / 8
        assert entry.data_bytes <= 1.015 * entropy


def test_overhead_of_one_segment_is_counted_exactly() -> None:
    segment, frames = pack_segment(network(0)), [bytes(16)] * 3
    assert len(packed()) == overhead_bytes(VIDEO, [3]) + segment.size
    assert len(pack_file(VIDEO, [(3, segment)], frames)) == overhead_bytes(VIDEO, [3], hashed=True) + segment.size


@pytest.mark.parametrize("alike", [False, True])
def test_overhead_of_several_segments_is_counted_from_above(alike: bool) -> None:
    segments = [(2, pack_segment(network(0 if alike else i, replace(VIDEO, frames=2)))) for i in range(3)]
    data = pack_file(replace(VIDEO, frames=6), segments, [bytes(16)] * 6)
    most = overhead_bytes(VIDEO, [2, 2, 2], hashed=True) + sum(one.size for _, one in segments)
    spared = 2 * (len(segments[0][1].program) + 3) if alike else 0
    assert most - 36 <= len(data) + spared <= most


@given(st.integers(0, 2**32 - 1))
def test_uv_round_trip_in_the_shortest_form(value: int) -> None:
    data = write_uv(value)
    assert Reader(data).uv("x") == value
    assert len(data) == max(1, -(-value.bit_length() // 7))
    with pytest.raises(FormatError):
        Reader(data[:-1] + bytes([data[-1] | 128, 0])).uv("x")


@given(st.integers(-(2**31), 2**31 - 1))
def test_sv_round_trip(value: int) -> None:
    assert Reader(write_sv(value)).sv("x") == value


@given(
    st.builds(
        Video,
        st.integers(1, 2**32 - 1),
        st.integers(1, 2**32 - 1),
        st.just(0),
        st.builds(Fraction, st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1)),
        st.sampled_from(Chroma),
        st.integers(8, 12),
        st.builds(Colour, *[st.integers(1, 255)] * 3, st.booleans(), st.integers(0, 5)),
        st.builds(Fraction, st.integers(1, 65535), st.integers(1, 65535)),
    )
)
def test_video_header_round_trip(video: Video) -> None:
    assert parse_video(Reader(pack_video(video))) == ((2, 0), video)


def whole(data: bytes) -> NqFile:
    """Parse a file and everything in it."""
    file = parse_file(data, "bad.nq")
    for number in range(len(file.index)):
        file.segment(number)
    return file


def test_every_single_bit_matters() -> None:
    """A flipped bit anywhere is found: by signature, framing, CRC, or as an unknown chunk."""
    data = packed()
    step = max(1, len(data) // 400)
    positions = sorted({*range(160), *range(len(data) - 40, len(data)), *range(0, len(data), step)})
    for position in positions:
        for bit in range(8):
            bad = bytearray(data)
            bad[position] ^= 1 << bit
            with pytest.raises((FormatError, UnsupportedError)) as caught:
                whole(bytes(bad))
            assert str(caught.value).startswith("bad.nq")


def test_truncation_anywhere_is_named() -> None:
    data = packed()
    boundaries = [0, 4, len(SIGNATURE)]
    for chunk in read_chunks(data, ""):
        start, end = chunk.offset, chunk.offset + 12 + len(chunk.payload)
        boundaries += [start, start + 4, start + 8, start + 8 + len(chunk.payload) // 2, end - 4, end]
    for length in sorted(set(boundaries) - {len(data)}):
        with pytest.raises(FormatError, match=r"bad\.nq") as caught:
            whole(data[:length])
        assert "empty" in str(caught.value) or "truncated" in str(caught.value) or "no .nq" in str(caught.value)


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(FormatError, match="follow the end chunk"):
        whole(packed() + b"\0")


def test_unknown_ancillary_chunk_is_skipped_and_unknown_critical_chunk_refused() -> None:
    whole(packed(before=pack_chunk("nOTE", b"anything")))
    with pytest.raises(UnsupportedError, match="NEWC"):
        whole(packed(before=pack_chunk("NEWC", b"anything")))


def rebuilt(data: bytes, kind: str, change: object) -> bytes:
    """The file with one chunk's payload changed and its CRC made right again."""
    out = bytearray(SIGNATURE)
    for chunk in read_chunks(data, ""):
        payload = bytearray(chunk.payload)
        if chunk.kind == kind:
            change(payload)  # type: ignore[operator]
        out += pack_chunk(chunk.kind, bytes(payload))
    return bytes(out)


@pytest.mark.parametrize(
    ("major", "minor", "message"),
    [(1, 4, "encode the clip again"), (0, 0, "encode the clip again"), (3, 1, r"version 3\.1 is newer")],
)
def test_other_major_versions_are_named(major: int, minor: int, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        whole(rebuilt(packed(), "VHDR", lambda p: p.__setitem__(slice(0, 2), bytes([major, minor]))))


@pytest.mark.parametrize("minor", range(MINOR + 2))
def test_only_a_later_minor_version_may_lengthen_the_header(minor: int) -> None:
    payload = pack_video(VIDEO)
    longer = payload[:1] + bytes([minor]) + payload[2:] + b"\7"
    assert parse_video(Reader(longer[:-1]))[0] == (2, minor)
    if minor > MINOR:
        assert parse_video(Reader(longer)) == ((2, minor), replace(VIDEO, frames=0))
    else:
        with pytest.raises(FormatError, match="1 bytes too many"):
            parse_video(Reader(longer))


@pytest.mark.parametrize(
    ("offset", "size", "value", "error"),
    [
        (2, 1, b"\xff\xff\xff\xff\x0f", LimitError),
        (2, 1, b"\0", FormatError),
        (3, 1, b"\xff\xff\xff\xff\x0f", LimitError),
        (3, 1, b"\xff\xff\xff\xff\x1f", FormatError),
        (9, 1, b"\x09", FormatError),
        (10, 1, b"\x07", FormatError),
        (10, 1, b"\x0d", FormatError),
    ],
)
def test_absurd_headers_are_refused(offset: int, size: int, value: bytes, error: type[NqError]) -> None:
    def change(payload: bytearray) -> None:
        payload[offset : offset + size] = value

    with pytest.raises(error):
        whole(rebuilt(packed(), "VHDR", change))


def test_limits_are_checked_before_entropy_decoding() -> None:
    file = parse_file(packed(), "big.nq")
    with pytest.raises(LimitError, match=r"big\.nq"):
        file.segment(0, Limits(parameters=1))


def test_limits_on_frames_count_those_of_all_segments() -> None:
    assert parse_file(several(), "x.nq", Limits(frames=6)).video.frames == 6
    with pytest.raises(LimitError, match="asks for 6 frames"):
        parse_file(several(), "x.nq", Limits(frames=5))


def test_segment_payload_spoilt_under_a_right_crc_never_crashes() -> None:
    """What the CRC cannot see, parsing and rules must: an error of ours or a legal network, nothing else."""
    data, rng = packed(3), np.random.default_rng(0)
    segment = next(c for c in read_chunks(data, "") if c.kind == "SEGM")
    outcomes = set()
    for _ in range(300):
        payload = bytearray(segment.payload)
        for _ in range(int(rng.integers(1, 4))):
            payload[int(rng.integers(18, len(payload)))] = int(rng.integers(256))

        def change(p: bytearray, new: bytearray = payload) -> None:
            p[:] = new

        try:
            whole(rebuilt(data, "SEGM", change))
            outcomes.add("legal")
        except NqError as error:
            outcomes.add(type(error).__name__)
    assert "FormatError" in outcomes


def test_crc_is_that_of_zip() -> None:
    chunk = pack_chunk("nOTE", b"123456789")
    assert chunk[-4:] == zlib.crc32(b"nOTE123456789").to_bytes(4, "little")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("02 06 00", "0 inputs, outside 1..16"),
        ("02 06 11", "17 inputs, outside 1..16"),
        ("02 07 01", "reads 1 places back"),
        ("02 01 01 01 01 01 07 01 02", "reads 2 places back"),
        ("02 0a ff ff ff ff 0f 00", "2 lists of 4294967295 values do not fit the 1 bytes left"),
        ("02 0a 01 00000000 000000", "2 lists of 1 values do not fit the 7 bytes left"),
        ("02 0a 00 04 01 02", "at least one"),
    ],
)
def test_programs_that_break_the_syntax_are_refused(data: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_program(Reader(bytes.fromhex(data), path="bad.nq"), SMALL)


def test_unknown_operations_are_of_another_version() -> None:
    code = max(OPERATIONS) + 1
    with pytest.raises(UnsupportedError, match=f"operation code {code}"):
        parse_program(Reader(bytes([1, code])), SMALL)
