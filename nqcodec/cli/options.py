"""click's options made of dataclasses: each field that `nqcodec.encoder.option` describes is one.

A command that is decorated with `options_of(kind)` is called with a `kind`, so that its options have types.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field
from types import NoneType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import click

from nqcodec.cli.types import TEXT, ParsedText
from nqcodec.encoder.option import Option, option_fields

T = TypeVar("T")


def options_of(kind: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Give a command of a `kind` its fields as options.

    Fields that are no options are those of click's own decorators on the command, by name.
    """

    def decorate(command: Callable[[T], None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**words: Any) -> None:
            command(kind(**words))

        result: Callable[..., None] = run
        for one, described in reversed(option_fields(kind)):
            result = _click_option(kind, one, described)(result)
        return result

    return decorate


def _click_option(
    kind: type, one: Field[Any], described: Option
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """click's decorator for the option that a field of a dataclass is."""
    value = _types(kind)[one.name]
    attributes: dict[str, Any] = {"help": described.help, "metavar": described.metavar}
    if value is bool:
        attributes |= {"is_flag": True, "default": False}
        if one.default is True:
            attributes["callback"] = _inverted
    elif one.default is MISSING:
        attributes |= {"type": click_type(value, described), "required": True}
    else:
        default = one.default if described.default_text is None else described.default_text
        attributes |= {"type": click_type(value, described), "default": default}
        attributes |= {"show_default": described.show_default, "multiple": described.repeatable}
    return click.option(*flags_of(one, described), one.name, **attributes)


def click_type(value: Any, described: Option) -> click.ParamType[Any]:
    """click's type of an option whose field has the type `value`."""
    if described.parse:
        return ParsedText(described.parse)
    if described.choices:
        return click.Choice(described.choices)
    kinds = [kind for kind in get_args(value) if kind is not NoneType] if _is_union(value) else [value]
    if described.range and kinds == [int]:
        return click.IntRange(*described.range, min_open=described.open_range)
    if described.range and kinds == [float]:
        return click.FloatRange(*described.range, min_open=described.open_range)
    if kinds in ([int], [float]):
        return click.INT if kinds == [int] else click.FLOAT
    if get_origin(kinds[0]) is Literal:
        return click.Choice(get_args(kinds[0]))
    return TEXT


def flags_of(one: Field[Any], described: Option) -> tuple[str, ...]:
    """The names of a field's option on the command line."""
    plain = one.name.replace("_", "-")
    return described.flags or (f"--no-{plain}" if one.default is True else f"--{plain}",)


def groups_of(kind: type) -> dict[str, tuple[str, ...]]:
    """The first long names of a dataclass's options by group, as a `HelpPage` has them.

    Groups of the options that a class adds to its bases come before those that only the bases have.
    """
    added = {name: depth for depth, base in enumerate(kind.__mro__) for name in inspect.get_annotations(base)}
    by_depth = sorted(option_fields(kind), key=lambda one: added[one[0].name])
    groups: dict[str, tuple[str, ...]] = {described.group: () for _, described in by_depth}
    for one, described in option_fields(kind):
        long_name = next(flag for flag in flags_of(one, described) if flag.startswith("--"))
        groups[described.group] = (*groups[described.group], long_name)
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
