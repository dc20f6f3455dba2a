"""Words for numbers: what --info says of a video, and counts of one."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from nqcodec.bitstream.header import described
from nqcodec.cli.nqdec import main as nqdec
from nqcodec.cli.words import video_lines
from nqcodec.media.text import counted
from nqcodec.media.video import Chroma, Colour, Video

HDR = Video(3840, 2160, 1, Fraction(60000, 1001), Chroma.C420, 10, Colour(9, 16, 9, chroma_location=2), Fraction(4, 3))


def lines(video: Video) -> str:
    return "\n".join(video_lines(described(video)))


def test_counts_of_one_are_singular() -> None:
    assert [counted(number, "frame") for number in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]


def test_info_is_in_words_and_json_in_codes(sample: Path) -> None:
    text = CliRunner().invoke(nqdec, [str(sample), "--info"]).stdout
    assert "320x180, 4:2:0, 8 bit, 32 frames at 25 fps, square pixels\n" in text
    assert "BT.709, limited range, chroma left\n" in text
    assert "chroma 1" not in text
    video = json.loads(CliRunner().invoke(nqdec, [str(sample), "--info", "--json"]).stdout)["video"]
    assert (video["chroma"], video["primaries"], video["full_range"]) == (1, 1, 0)


def test_colour_is_named_part_by_part_where_the_parts_differ() -> None:
    assert "4:2:0, 10 bit, 1 frame at 60000/1001 fps, pixel aspect 4:3" in lines(HDR)
    colour = "primaries BT.2020, transfer PQ (SMPTE ST 2084), matrix BT.2020, limited range, chroma top left"
    assert colour in lines(HDR)


@pytest.mark.parametrize(
    ("chroma", "colour", "words"),
    [
        (Chroma.C444, Colour(1, 13, 0, full_range=True), ("RGB,", "transfer sRGB, matrix RGB, full range")),
        (Chroma.C400, Colour(), ("4:0:0,", "unspecified, limited range")),
        (Chroma.C422, Colour(99, 99, 99), ("4:2:2,", "code 99, limited range")),
    ],
)
def test_other_layouts(chroma: Chroma, colour: Colour, words: tuple[str, str]) -> None:
    text = lines(replace(HDR, chroma=chroma, colour=colour))
    assert words[0] in text
    assert text.endswith(words[1])
