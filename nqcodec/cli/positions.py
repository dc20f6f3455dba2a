"""--seek and --frames of commands that read a clip, as click's option types: frame numbers, or times."""

from __future__ import annotations

import click

from nqcodec.media.positions import Position, Time, parse_position


def seek_position(value: str | Position) -> Position:
    """A place in a clip: a frame number, or a time; raises click.BadParameter."""
    if not isinstance(value, str):
        return value  # the default
    try:
        return parse_position(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r}: write a frame number, or a time such as 1.5s, 200ms or 00:00:02.5."
        ) from error


def frame_count(value: str | Position) -> Position:
    """How many frames at most: a number above 0, or their duration; raises click.BadParameter.

    MM:SS is refused: with one colon, --frames of nqdec has a range of frame numbers.
    """
    if not isinstance(value, str):
        return value
    if value.count(":") == 1:
        raise click.BadParameter(
            f"{value!r}: here is a number of frames or a duration, such as 2s or 00:00:02; a range from A on is "
            "--seek A --frames COUNT."
        )
    try:
        count = parse_position(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{value!r}: write a number of frames, or a duration such as 2s, 500ms or 00:00:02."
        ) from error
    if (count.seconds if isinstance(count, Time) else count) <= 0:
        raise click.BadParameter(f"{value!r}: at least one frame is needed.")
    return count
