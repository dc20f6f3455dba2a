"""click's options made of dataclasses: each field that `nqcodec.encoder.option` describes is one.

A command that is decorated with `options_of(kind)` is called with a `kind`, so that its options have types.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import MISSING, Field, replace
from types import NoneType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click

from nqcodec.cli.types import TEXT, ParsedText
from nqcodec.encoder.option import Option, option_fields

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


def options_of(kind: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Give a command of a `kind` its fields as options.

    Fields that are no options are those of click's own decorators on the command, by name.
    """

    def decorate(command: Callable[[T], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**words: Any) -> None:
            command(kind(**words))

        result: Callable[..., None] = run
        for one, _ in reversed(option_fields(kind)):
            result = option_named(kind, one.name)(result)
        return result

    return decorate


def option_named(kind: type, name: str, **changes: Any) -> Callable[[Command], Command]:
    """The option that a field of a dataclass describes, with `changes` of the description where a command's differs."""
    one, described = next((one, described) for one, described in option_fields(kind) if one.name == name)
    described = replace(described, **changes)
    value = _types(kind)[name]
    attributes: dict[str, Any] = {"help": described.help, "metavar": described.metavar}
    if value is bool:
        attributes |= {"is_flag": True, "default": False}
        if one.default is True:
            attributes["callback"] = _inverted
    elif one.default is MISSING:
        attributes |= {"type": click_type(value, described), "required": True}
    else:
        attributes |= {"type": click_type(value, described), "default": one.default}
        attributes |= {"show_default": described.show_default, "multiple": described.repeatable}
    return click.option(*flags_of(one, described), name, **attributes)


def click_type(value: Any, described: Option) -> click.ParamType[Any]:
    """click's type of an option whose field has the type `value`."""
    if described.parse:
        return ParsedText(described.parse)
    if described.choices:
        return click.Choice(described.choices)
    kinds = [kind for kind in get_args(value) if kind is not NoneType] if _is_union(value) else [value]
    least, most = described.range or (None, None)
    if kinds == [int]:
        return click.IntRange(least, most)
    if kinds == [float]:
        return click.FloatRange(least, most)
    if get_origin(kinds[0]) is Literal:
        return click.Choice(get_args(kinds[0]))
    return TEXT


def flags_of(one: Field[Any], described: Option) -> tuple[str, ...]:
    """The names of a field's option on the command line."""
    plain = one.name.replace("_", "-")
    return described.flags or (f"--no-{plain}" if one.default is True else f"--{plain}",)


def groups_of(kind: type) -> dict[str, tuple[str, ...]]:
    """The first long names of a dataclass's options by group, as a `HelpPage` has them."""
    groups: dict[str, tuple[str, ...]] = {}
    for one, described in option_fields(kind):
        long_name = next(flag for flag in flags_of(one, described) if flag.startswith("--"))
        groups[described.group] = (*groups.get(described.group, ()), long_name)
    return groups


@functools.cache
def _types(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields, by name."""
    return get_type_hints(kind)


def _is_union(value: Any) -> bool:
    return get_origin(value) is Union or isinstance(value, type(int | None))


def _inverted(context: click.Context, param: click.Parameter, value: bool) -> bool:
    """What a flag --no-NAME says of NAME."""
    return not value
