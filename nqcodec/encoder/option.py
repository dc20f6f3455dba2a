"""What a dataclass says of a field that is an option, as its metadata; `nqcodec.cli.options` makes the command line's
options of such fields.

Kept apart from the options themselves, and light, because every command that describes options imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields, replace
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
        open_range: whether a number may not be the least itself.
        parse: the value that a command line's text stands for; raises ValueError, saying what to write instead. None
            where the type says enough.
        repeatable: whether the command line takes it several times.
        show_default: whether `--help` shows the default.
        default_text: the default as a command line writes it, where `parse` makes another value of it.
        decides_result: whether another value may give another file, so that a resumed encode has to repeat it.
        in_encoder_text: whether the file's metadata name it where it differs from its default.
    """

    help: str
    group: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    range: tuple[int | None, int | None] | None = None
    open_range: bool = False
    parse: Callable[[str], object] | None = None
    repeatable: bool = False
    show_default: bool = False
    default_text: str | None = None
    decides_result: bool = True
    in_encoder_text: bool = False


def option(default: T, help: str, group: str, **more: Any) -> T:
    """A field of a dataclass that is an option; `more` are further attributes of `Option`."""
    return field(default=default, metadata={_KEY: Option(help=help, group=group, **more)})


def required_option(help: str, group: str, **more: Any) -> Any:
    """The same for one without a default, which has to be given."""
    return field(metadata={_KEY: Option(help=help, group=group, **more)})


def parsed_option(text: str, parse: Callable[[str], T], help: str, group: str, **more: Any) -> T:
    """One whose value is parsed, with the value of `text` as its default."""
    return option(parse(text), help, group, parse=parse, default_text=text, show_default=True, **more)


def same_option(kind: type, name: str, **changes: Any) -> Any:
    """A field of another dataclass again, with its default and description, but for `changes` of the description."""
    one, described = next((one, described) for one, described in option_fields(kind) if one.name == name)
    return field(default=one.default, metadata={_KEY: replace(described, **changes)})


def option_fields(kind: type) -> list[tuple[Field[Any], Option]]:
    """The fields of a dataclass that are options, in order."""
    return [(one, one.metadata[_KEY]) for one in fields(kind) if _KEY in one.metadata]
