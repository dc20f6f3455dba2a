"""Files as they arrive: segments are given as soon as they are there, and a cut is told after all that is whole."""

from __future__ import annotations

import io

import pytest
from segmented import segmented

from nqcodec.bitstream.chunks import SIGNATURE, pack_chunk, read_chunks
from nqcodec.bitstream.file import parse_file
from nqcodec.bitstream.stream import NqStream
from nqcodec.decoder.decoder import Decoder, EntryDecoder
from nqcodec.errors import FormatError
from nqcodec.media.video import frame_bytes

DATA = segmented([1, 1, 2, 1], clips=["a", None, "b"], hashed=True, timed=True)
ENDS = [chunk.end for chunk in read_chunks(DATA, "") if chunk.kind == "SEGM"]


class Arriving(io.RawIOBase):
    """A stream that has only so many bytes yet: whoever asks for more would have to wait."""

    def __init__(self, data: bytes, there: int):
        self._data, self._there, self._place = data, there, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0 or self._place + size > self._there:
            raise BlockingIOError("waits for bytes that have not arrived")
        self._place += size
        return self._data[self._place - size : self._place]


@pytest.mark.parametrize("count", range(1, len(ENDS) + 1))
def test_a_segment_decodes_before_a_byte_of_the_next_has_arrived(count: int) -> None:
    stream = NqStream(Arriving(DATA, ENDS[count - 1]), "pipe")  # type: ignore[arg-type]
    whole = [frame_bytes(frame) for frame in Decoder(parse_file(DATA, "x.nq")).frames()]
    arrived: list[bytes] = []
    with pytest.raises(BlockingIOError):
        arrived.extend(frame_bytes(frame) for frame in EntryDecoder().stream_frames(stream))
    assert arrived == whole[: 2 * count]


def test_a_file_that_is_cut_anywhere_gives_all_segments_before() -> None:
    whole = parse_file(DATA, "x.nq")
    for length in [*range(0, 80), *range(80, len(DATA), 7), len(DATA) - 1]:
        found: list[bytes] = []
        with pytest.raises(FormatError, match=r"truncated|empty|signature"):
            found.extend(entry.head.md5 for entry in NqStream(DATA[:length], "cut.nq").segments())
        assert found == [entry.head.md5 for entry, end in zip(whole.index, ENDS, strict=True) if end <= length]
        if found:
            part = parse_file(DATA[:length], "cut.nq", partly=True)
            assert part.video.frames == 2 * len(found)
            assert isinstance(part.damage, FormatError)
    assert parse_file(DATA, "x.nq", partly=True).damage is None


def test_nothing_whole_is_an_error_even_partly() -> None:
    with pytest.raises(FormatError, match="truncated"):
        parse_file(DATA[: ENDS[0] - 1], "cut.nq", partly=True)


def test_entries_tell_what_belongs_to_them() -> None:
    file = parse_file(DATA, "x.nq")
    assert [entry.first for entry in file.index] == [0, 2, 4, 6]
    assert [entry.head.takes_program for entry in file.index] == [True, True, False, True]
    assert [(clip.name, clip.first, clip.frames) for clip in file.clips] == [("a", 0, 4), ("b", 4, 4)]
    assert len(file.frame_md5) == 8
    assert file.metadata.times is not None
    assert file.metadata.times.start == 0
    assert file.metadata.times.runs == ((30, 1), (50, 1)) * 4
    assert file.segment(3).network.program == file.segment(0).network.program


def test_hashes_of_some_segments_alone_are_checked_there() -> None:
    plain = list(read_chunks(segmented([1, 2], metadata=None), ""))
    wrong = pack_chunk("fHSH", bytes(32))
    data = SIGNATURE + b"".join([plain[0].packed, plain[1].packed, wrong, plain[2].packed, plain[3].packed])
    file = parse_file(data, "x.nq")
    assert file.frame_md5 == ()
    assert len(list(Decoder(file).frames(0, 2))) == 2
    with pytest.raises(Exception, match="frame 2 differs"):
        list(Decoder(file).frames())


def test_a_claim_of_4_gib_takes_no_memory() -> None:
    data = DATA[: len(SIGNATURE)] + b"VHDR\xff\xff\xff\xff" + bytes(100)
    with pytest.raises(FormatError, match="4294967199 bytes of this chunk are missing"):
        NqStream(data, "x.nq")


def test_files_after_one_another_are_named() -> None:
    with pytest.raises(FormatError, match="nqtool join"):
        parse_file(DATA + DATA, "x.nq")
