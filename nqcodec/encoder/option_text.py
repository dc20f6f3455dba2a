"""Values of options from the text of a command line; each function raises ValueError, saying what to write instead."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, NamedTuple

from nqcodec.media.positions import Position, Time, parse_position

Segmentation = int | Literal["auto"] | None
"""Segments begin at scene cuts ("auto"), there and after at most so many frames, or there is one (None)."""


WIDTHS = (2, 8)
"""The least and the largest bit width of a quantizer."""


class WrittenNumber(NamedTuple):
    """A number, and how it was written: the names of files repeat the text."""

    text: str
    value: float


def parse_numbers(text: str) -> tuple[WrittenNumber, ...]:
    """Numbers with commas between them."""
    try:
        return tuple(WrittenNumber(word, float(word)) for word in text.split(","))
    except ValueError as error:
        raise ValueError("write a number, or several with commas between them") from error


def parse_positive_numbers(text: str) -> tuple[float, ...]:
    """Positive numbers with commas between them, each once."""
    values = tuple(number for _, number in parse_numbers(text))
    if not all(0 < value < float("inf") for value in values) or len(set(values)) < len(values):
        raise ValueError("write positive numbers, each once, with commas between them")
    return values


def parse_widths(text: str) -> tuple[int, ...]:
    """The bit widths A to B of A:B, both included, or one width."""
    low, colon, high = text.partition(":")
    high = high if colon else low
    if not (low.isdigit() and high.isdigit() and WIDTHS[0] <= int(low) <= int(high) <= WIDTHS[1]):
        raise ValueError("write A:B, widths A to B, or one width, within 2:8")
    return tuple(range(int(low), int(high) + 1))


def parse_names(text: str) -> tuple[str, ...]:
    """Names with commas between them; none of an empty text."""
    return tuple(text.split(",")) if text else ()


def parse_segment(text: str) -> Segmentation:
    """auto, none or a number of frames."""
    if text == "auto":
        return "auto"
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError("write auto, none or a number of frames, such as 64")
    return int(text)


def parse_size(text: str, example: str = "1920x1080") -> tuple[int, int]:
    """WIDTHxHEIGHT."""
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise ValueError(f"write WIDTHxHEIGHT, such as {example}")
    return int(width), int(height)


def parse_patch(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT, or N for both."""
    both = text.isascii() and text.isdigit()
    return parse_size(f"{text}x{text}" if both else text, "120x120, or N for both")


def parse_fps(text: str) -> Fraction:
    """N, N/D or a decimal."""
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError("write a number or a fraction, such as 30000/1001") from error
    if fps <= 0:
        raise ValueError("a frame rate is positive")
    return fps


def parse_seek(text: str) -> Position:
    """A place in a clip: a frame number, or a time."""
    try:
        return parse_position(text)
    except ValueError as error:
        raise ValueError("write a frame number, or a time such as 1.5s, 200ms or 00:00:02.5") from error


def parse_frame_count(text: str) -> Position:
    """How many frames at most: a number above 0, or their duration.

    MM:SS is refused: with one colon, --frames of nqdec has a range of frame numbers.
    """
    if text.count(":") == 1:
        raise ValueError(
            "here is a number of frames or a duration, such as 2s or 00:00:02; a range from A on is "
            "--seek A --frames COUNT"
        )
    try:
        count = parse_position(text)
    except ValueError as error:
        raise ValueError("write a number of frames, or a duration such as 2s, 500ms or 00:00:02") from error
    if (count.seconds if isinstance(count, Time) else count) <= 0:
        raise ValueError("at least one frame is needed")
    return count
