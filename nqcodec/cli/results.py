"""The results of a command as JSON: on stdout with --json, in a file with --save, or both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from nqcodec.encoder.option import option
from nqcodec.errors import OutputError, UsageError
from nqcodec.media.outputs import refuse_sources

RESULTS = "Results"


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """Where the results of a command go."""

    save: str | None = option(
        None, "Write the result there as JSON; FILE becomes its name.", RESULTS, metavar="FILE.json"
    )
    as_json: bool = option(False, "The result as JSON on stdout.", RESULTS, flags=("--json",))


def check_save(
    save: str | None, sources: Iterable[str | Path | None] = (), outputs: Iterable[str | Path | None] = ()
) -> None:
    """Raise, before the long part, the errors that would make `save_json` fail or overwrite another file of the call.

    Args:
        sources, outputs: what the call reads, and writes beside it; "-" is no file.

    Raises:
        UsageError: it is one of those, or "-".
        OutputError: it is a folder, or its folder does not exist.
    """
    if save is None:
        return
    if save == "-":
        raise UsageError("--save -: takes the name of a file; --json prints the same on stdout")
    refuse_sources([save], sources)
    path = Path(save)
    for other in outputs:
        if other is not None and str(other) != "-" and path.resolve() == Path(other).resolve():
            raise UsageError(f"--save {save}: is {other} itself, which this call writes: name another file")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file for --save")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist")


def save_json(save: str | None, data: object) -> None:
    """Write the figures where --save says, if it does; the file appears whole. Raises OutputError."""
    if save is None:
        return
    from nqcodec.media.atomic import AtomicFile

    with AtomicFile(save) as file:
        file.write(json.dumps(data, indent=1).encode() + b"\n")


def give_out(data: object, options: ResultOptions, text: Callable[[], str] | None = None) -> None:
    """Figures where they were asked for: in the file of --save, and on stdout as JSON or else as `text`."""
    save_json(options.save, data)
    if options.as_json:
        click.echo(json.dumps(data, indent=1))
    elif text is not None:
        click.echo(text())


def one_or_all(data: Sequence[object]) -> object:
    """The only entry itself, or all of several."""
    return data[0] if len(data) == 1 else data
