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
from nqcodec.bitstream.chunks import SIGNATURE, pack_chunk, read_chunks
from nqcodec.bitstream.file import NqFile, overhead_bytes, pack_file, parse_file, read_file
from nqcodec.bitstream.header import VHDR_BYTES, pack_video, parse_video
from nqcodec.bitstream.operations import parse_program
from nqcodec.bitstream.reader import Reader, write_sv, write_uv
from nqcodec.bitstream.segment import pack_segment
from nqcodec.errors import FormatError, LimitError, NqError, UnsupportedError
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.operations import OPERATIONS
from nqcodec.network.program import Limits

VIDEO = Video(37, 21, 3, Fraction(30000, 1001), Chroma.C420, 10, Colour(1, 13, 5, True, 2), Fraction(4, 3))


def network(seed: int, video: Video = VIDEO) -> IntegerNetwork:
    """A legal random network."""
    return random_network(np.random.default_rng(seed), video)


def packed(seed: int = 0, minor: int = 0, extra: bytes = b"") -> bytes:
    """A file of one random segment; `extra` chunks go before NEND."""
    data = pack_file(VIDEO, [(3, pack_segment(network(seed)))])
    return data[:-12] + extra + data[-12:]


@pytest.mark.parametrize("seed", range(30))
def test_networks_round_trip(seed: int) -> None:
    original = network(seed)
    segment = pack_segment(original, md5=bytes(range(16)))
    assert sum(segment.parts.values()) == len(segment.payload)
    file = parse_file(pack_file(VIDEO, [(3, segment)]), "x.nq")
    assert file.video == VIDEO
    decoded = file.segment(0)
    assert decoded.md5 == bytes(range(16))
    assert decoded.parts == segment.parts
    assert_same(original, decoded.network)


def test_coders_give_the_same_file() -> None:
    files = {pack_segment(network(7), coder).payload for coder in ("native", "python", "torchac")}
    assert len(files) == 1


def test_coders_give_the_same_bytes_on_real_layers(sample: Path) -> None:
    """The sample's own network, coded anew by each coder, is the segment in the sample."""
    file = read_file(sample)
    segment = file.segment(0)
    for coder in ("native", "python", "torchac"):
        assert pack_segment(segment.network, coder, segment.md5).payload == file.chunks[2].payload


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


def test_overhead_is_counted_exactly() -> None:
    segments = [(2, pack_segment(network(i, replace(VIDEO, frames=2)))) for i in range(3)]
    data = pack_file(replace(VIDEO, frames=6), segments, [bytes(16)] * 6)
    assert len(data) == overhead_bytes(3, 6) + sum(len(s.payload) for _, s in segments)
    assert len(packed()) == overhead_bytes(1) + len(pack_segment(network(0)).payload)


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
        st.integers(1, 2**32 - 1),
        st.builds(Fraction, st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1)),
        st.sampled_from(Chroma),
        st.integers(8, 12),
        st.builds(Colour, *[st.integers(1, 255)] * 3, st.booleans(), st.integers(0, 5)),
        st.builds(Fraction, st.integers(1, 65535), st.integers(1, 65535)),
    )
)
def test_video_header_round_trip(video: Video) -> None:
    data = pack_video(video)
    assert len(data) == VHDR_BYTES
    assert parse_video(Reader(data)) == ((1, 1), video)


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
    whole(packed(extra=pack_chunk("nOTE", b"anything")))
    with pytest.raises(UnsupportedError, match="NEWC"):
        whole(packed(extra=pack_chunk("NEWC", b"anything")))


def test_frame_hashes_are_one_chunk_of_the_right_length() -> None:
    """A decoder may ignore the chunk, so no conformance vector asks for this; ours reads it, and minds."""
    hashes = pack_chunk("fHSH", bytes(16 * VIDEO.frames))
    assert whole(packed(extra=hashes)).frame_md5 == (bytes(16),) * VIDEO.frames
    with pytest.raises(FormatError, match="only one"):
        whole(packed(extra=hashes * 2))
    for length in (0, 16 * VIDEO.frames - 1, 16 * VIDEO.frames + 16):
        with pytest.raises(FormatError, match=f"{length} bytes of frame hashes do not fit {VIDEO.frames} frames"):
            whole(packed(extra=pack_chunk("fHSH", bytes(length))))


def rebuilt(data: bytes, kind: str, change: object) -> bytes:
    """The file with one chunk's payload changed and its CRC made right again."""
    out = bytearray(SIGNATURE)
    for chunk in read_chunks(data, ""):
        payload = bytearray(chunk.payload)
        if chunk.kind == kind:
            change(payload)  # type: ignore[operator]
        out += pack_chunk(chunk.kind, bytes(payload))
    return bytes(out)


def test_versions() -> None:
    with pytest.raises(UnsupportedError, match=r"version 2\.\d is newer"):
        whole(rebuilt(packed(), "VHDR", lambda p: p.__setitem__(0, 2)))
    for minor in (0, 9):
        assert whole(rebuilt(packed(), "VHDR", lambda p, minor=minor: p.__setitem__(1, minor))).version == (1, minor)


@pytest.mark.parametrize("minor", range(MINOR + 2))
def test_only_a_later_minor_version_may_lengthen_the_header(minor: int) -> None:
    payload = pack_video(VIDEO)
    longer = payload[:1] + bytes([minor]) + payload[2:] + b"\7"
    if minor > MINOR:
        assert parse_video(Reader(longer)) == ((1, minor), VIDEO)
    else:
        with pytest.raises(FormatError, match="1 bytes too many"):
            parse_video(Reader(longer))


@pytest.mark.parametrize(
    ("offset", "value", "error"),
    [
        (2, b"\xff\xff\xff\xff", LimitError),
        (2, b"\0\0\0\0", FormatError),
        (10, b"\xff\xff\xff\xff", (LimitError, FormatError)),
        (18, b"\0\0\0\0", FormatError),
        (22, b"\x09", FormatError),
        (23, b"\x07", FormatError),
        (23, b"\x0d", FormatError),
    ],
)
def test_absurd_headers_are_refused(offset: int, value: bytes, error: type[NqError]) -> None:
    def change(payload: bytearray) -> None:
        payload[offset : offset + len(value)] = value

    with pytest.raises(error):
        whole(rebuilt(packed(), "VHDR", change))


def test_limits_are_checked_before_entropy_decoding() -> None:
    file = parse_file(packed(), "big.nq")
    with pytest.raises(LimitError, match=r"big\.nq"):
        file.segment(0, Limits(parameters=1))


@pytest.mark.parametrize("order", [("SIDX", "VHDR"), ("VHDR",), ("VHDR", "VHDR", "SIDX"), ("VHDR", "SIDX", "SIDX")])
def test_chunk_order(order: tuple[str, ...]) -> None:
    chunks = {chunk.kind: chunk for chunk in read_chunks(packed(), "")}
    names = [*order, "SEGM", "NEND"]
    data = SIGNATURE + b"".join(pack_chunk(name, chunks[name].payload) for name in names)
    with pytest.raises(FormatError):
        whole(data)


def test_segment_payload_spoilt_under_a_right_crc_never_crashes() -> None:
    """What the CRC cannot see, parsing and rules must: an error of ours or a legal network, nothing else."""
    data, rng = packed(3), np.random.default_rng(0)
    segment = next(c for c in read_chunks(data, "") if c.kind == "SEGM")
    outcomes = set()
    for _ in range(300):
        payload = bytearray(segment.payload)
        for _ in range(int(rng.integers(1, 4))):
            payload[int(rng.integers(17, len(payload)))] = int(rng.integers(256))

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
