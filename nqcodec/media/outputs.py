"""Files that an output would overwrite: inputs among them are refused, and existing outputs are named beforehand."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from nqcodec.errors import UsageError

AnyPath = str | os.PathLike[str]
Identity = str | tuple[int, int]
"""Equal for all names of a file: its path without links, or its device and inode."""


def refuse_sources(outputs: Iterable[AnyPath | None], sources: Iterable[AnyPath | None]) -> None:
    """Check that nothing which is read would be overwritten, by its own name, another one or a link.

    Args:
        outputs: files that will be written; a folder stands for all files in it. None and "-" are passed over.
        sources: files, folders and patterns of PNGs, or "-" for standard input, which may come from a file.

    Raises:
        UsageError: names the output and the source.
    """
    read: dict[Identity, str] = {}
    for source in sources:
        if source is not None:
            name = "standard input" if os.fspath(source) == "-" else os.fspath(source)
            read |= dict.fromkeys(_identities_read(source), name)
    for output in outputs:
        if output is None or os.fspath(output) == "-":
            continue
        for path in _files(Path(output)):
            for identity in _identities(path):
                if identity in read:
                    raise UsageError(f"{path}: would overwrite the input {read[identity]}: name another output")


def _identities_read(source: AnyPath) -> Iterator[Identity]:
    from nqcodec.media.png import is_pattern, present

    path = Path(source)
    if os.fspath(source) == "-":
        state = os.fstat(0)
        if stat.S_ISREG(state.st_mode):
            yield state.st_dev, state.st_ino
    elif is_pattern(path):
        for picture in present(path):
            yield from _identities(picture)
    else:
        for entry in path.iterdir() if path.is_dir() else (path,):
            yield from _identities(entry)


def _files(path: Path) -> Iterator[Path]:
    """The path, or the files in a folder and those within it."""
    return filter(Path.is_file, path.rglob("*")) if path.is_dir() else iter((path,))


def _identities(path: Path) -> Iterator[Identity]:
    """The identities of a regular file; other files have none, because writing does not replace them."""
    try:
        state = path.stat()
    except OSError:
        yield os.path.realpath(path)
        return
    if stat.S_ISREG(state.st_mode):
        yield os.path.realpath(path)
        yield state.st_dev, state.st_ino


def decoded_files(output: AnyPath) -> list[Path]:
    """Files that decoding to an output (`nqcodec.media.sink.open_sink`) may replace, whatever its frames' numbers."""
    from nqcodec.media.png import is_pattern, present

    path = _named_pictures(output)
    return present(path) if is_pattern(path) else [path]


def existing_files(output: AnyPath, places: Iterable[int]) -> list[Path]:
    """Files that decoding to an output will replace; `places` are those of its pictures, the first written being 0."""
    from nqcodec.media.png import FIRST_NUMBER, is_pattern, numbered

    path = _named_pictures(output)
    paths = [path]
    if is_pattern(path):
        paths = [numbered(path, FIRST_NUMBER + place) for place in places]
    return [path for path in paths if path.is_file() and os.fspath(output) != "-"]


def _named_pictures(output: AnyPath) -> Path:
    """The output, as a pattern of pictures where it is a folder."""
    from nqcodec.media.png import IN_FOLDER

    folder = os.fspath(output).endswith(os.sep) or Path(output).is_dir()
    return Path(output) / IN_FOLDER if folder else Path(output)
