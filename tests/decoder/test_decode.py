"""Whole files through the decoder: every chroma format and depth, odd sizes, backends, random access, hashes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_network

from nqcodec.bitstream.file import parse_file
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.stream import SegmentEntry
from nqcodec.bitstream.writer import pack_file
from nqcodec.decoder.decoder import Decoder, decode, probe
from nqcodec.errors import HashError, UsageError
from nqcodec.media.video import Chroma, Frame, Video, frame_bytes
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.synthesis.backends import available, open_synthesizer

SIZES = ((1, 1), (3, 5), (33, 18))
NATIVE = not available()["native"]


def digests(network: IntegerNetwork, video: Video) -> tuple[bytes, list[bytes]]:
    """MD5 of all planes and of each frame, by the reference."""
    whole, frames = hashlib.md5(), []
    with open_synthesizer(network, video, video.frames, "reference") as synthesizer:
        for t in range(video.frames):
            data = frame_bytes(synthesizer.frame(t))
            whole.update(data)
            frames.append(hashlib.md5(data).digest())
    return whole.digest(), frames


def make_file(video: Video, lengths: list[int], *, frame_hashes: bool = False, seed: int = 0) -> bytes:
    """A file of random segments with right hashes."""
    rng, segments, hashes = np.random.default_rng(seed), [], []
    for frames in lengths:
        part = video.with_frames(frames)
        network = random_network(rng, part)
        md5, each = digests(network, part)
        segments.append((frames, pack_segment(network, md5=md5)))
        hashes += each
    return pack_file(video, segments, hashes if frame_hashes else ())


def assert_equal(a: list[Frame], b: list[Frame]) -> None:
    assert len(a) == len(b)
    for left, right in zip(a, b, strict=True):
        for one, other in zip(left, right, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("chroma", list(Chroma))
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_format_decodes_alike_everywhere(
    chroma: Chroma, depth: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = Video(*size, 3, Fraction(25), chroma, depth)
    file = parse_file(make_file(video, [3], seed=depth), "x.nq")
    expected = list(Decoder(file, backend="reference").frames())
    assert [plane.shape for plane in expected[0]] == list(video.plane_shapes)
    assert expected[0][0].dtype == video.dtype
    if not NATIVE:
        pytest.skip("libnq was not built")
    for level in ("scalar", "avx2", "avx512"):
        monkeypatch.setenv("NQCODEC_CPU", level)
        for threads in (1, 2):
            assert_equal(expected, list(Decoder(file, backend="native", threads=threads).frames()))


VIDEO = Video(21, 14, 7, Fraction(24000, 1001))


def test_any_range_decodes_alone() -> None:
    file = parse_file(make_file(VIDEO, [3, 1, 3]), "x.nq")
    whole = list(Decoder(file).frames())
    for start in range(7):
        for stop in range(start + 1, 8):
            assert_equal(whole[start:stop], list(Decoder(file).frames(start, stop)))
    for start, stop in ((0, 8), (-1, 2), (3, 3)):
        with pytest.raises(UsageError):
            list(Decoder(file).frames(start, stop))


def test_segment_hash_is_checked_on_whole_segments_only() -> None:
    data = make_file(VIDEO, [3, 4])
    file = parse_file(data, "x.nq")
    first, last = file.index
    spoilt = replace(file, index=(first, with_md5(last, bytes(16))))
    assert len(list(Decoder(spoilt).frames(0, 6))) == 6
    with pytest.raises(HashError, match="segment 1"):
        list(Decoder(spoilt).frames())
    assert len(list(Decoder(spoilt, verify=False).frames())) == 7


def with_md5(entry: SegmentEntry, md5: bytes) -> SegmentEntry:
    """The segment, whose number of frames takes one byte, with another hash."""
    payload = entry.chunk.payload
    return replace(entry, chunk=replace(entry.chunk, payload=payload[:2] + md5 + payload[18:]))


def test_frame_hashes_are_checked_on_any_range() -> None:
    file = parse_file(make_file(VIDEO, [7], frame_hashes=True), "x.nq")
    assert len(file.frame_md5) == 7
    list(Decoder(file).frames(2, 5))
    hashes = (*file.frame_md5[:4], bytes(16), *file.frame_md5[5:])
    wrong = replace(file, index=(replace(file.index[0], frame_md5=hashes),))
    list(Decoder(wrong).frames(0, 4))
    with pytest.raises(HashError, match="frame 4"):
        list(Decoder(wrong).frames(2, 6))


def test_the_api_of_three_functions(tmp_path: Path) -> None:
    path = tmp_path / "x.nq"
    path.write_bytes(make_file(VIDEO, [7]))
    file = probe(path)
    assert file.video == VIDEO
    assert file.bpp == 8 * path.stat().st_size / (21 * 14 * 7)
    frames = list(decode(path, start=2, stop=4, backend="reference"))
    assert [plane.shape for plane in frames[1]] == [(14, 21), (7, 11), (7, 11)]
