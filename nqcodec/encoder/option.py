"""What a dataclass says of a field that is an option, as its metadata; `nqcodec.cli.options` makes the command line's
options of such fields.

Kept apart from the options themselves, and light, because every command that describes options imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")
_KEY = "option"


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option beside its field's name, type and default.

    Attributes:
        help: what it does, with its unit, as `--help` shows it.
        group: title of the group that `--help` shows it in.
        flags: its names on the command line; empty for the field's own name, or --no-NAME if it is True by default.
        metavar: what stands for its value in `--help`; None for what click shows for the type.
        choices: the values of a str; those of a Literal follow from the type.
        range: the least and the most that a number may be, each None for no bound.
        parse: the value that a command line's text stands for; raises ValueError, saying what to write instead. None
            where the type says enough.
        repeatable: whether the command line takes it several times.
        show_default: whether `--help` shows the default.
        decides_result: whether another value may give another file, so that a resumed encode has to repeat it.
        in_encoder_text: whether the file's metadata name it where it differs from its default.
    """

    help: str
    group: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    range: tuple[int | None, int | None] | None = None
    parse: Callable[[str], object] | None = None
    repeatable: bool = False
    show_default: bool = False
    decides_result: bool = True
    in_encoder_text: bool = False


def option(default: T, help: str, group: str, **more: Any) -> T:
    """A field of a dataclass that is an option; `more` are further attributes of `Option`."""
    return field(default=default, metadata={_KEY: Option(help=help, group=group, **more)})


def required_option(help: str, group: str, **more: Any) -> Any:
    """The same for one without a default, which has to be given."""
    return field(metadata={_KEY: Option(help=help, group=group, **more)})


def same_option(kind: type, name: str) -> Any:
    """A field of another dataclass again, with its default and description."""
    one = next(one for one in fields(kind) if one.name == name)
    return field(default=one.default, metadata=one.metadata)


def option_fields(kind: type) -> list[tuple[Field[Any], Option]]:
    """The fields of a dataclass that are options, in order."""
    return [(one, one.metadata[_KEY]) for one in fields(kind) if _KEY in one.metadata]
