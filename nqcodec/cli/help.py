"""The manuals of the commands: options in groups, examples, exit codes, environment; and the first screen, -h.

Here is only how the help of options is laid out: `HelpCommand` is a `click.Command` with a `HelpPage`. An
option that no group names appears in the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from nqcodec.cli.common import fail
from nqcodec.cli.foreign import instead, json_file
from nqcodec.cli.types import TEXT
from nqcodec.errors import NqError

EXIT_CODES = (
    ("0", "done"),
    ("1", "failed: a clip that cannot be read, an output that cannot be written, a rate that cannot be met"),
    ("2", "usage: options that are unknown, contradict one another or do not apply"),
    ("3", "unsupported: a newer format version, a missing package, backend or device"),
    ("4", "over a limit: the file asks for more memory, parameters or arithmetic than is allowed"),
    ("5", "hash mismatch: what was decoded is not what the file or --verify says"),
    ("130", "interrupted by Ctrl-C; 143 terminated by SIGTERM and 129 by SIGHUP, after the same saving and tidying"),
)

BACKEND = (
    "NQCODEC_BACKEND",
    "reference, native or cuda: what decodes, where --backend does not say; default: the best",
)
CPU = ("NQCODEC_CPU", "scalar, avx2 or avx512: the native backend's instruction set; default: the CPU's best")
INSTALL = (
    "NQCODEC_CUDA, NQCODEC_REQUIRE_NATIVE",
    "0, and 1, when installing: leave CUDA out; fail without a C++ compiler",
)
ENVIRONMENT = (BACKEND, CPU, INSTALL)

LAST = "Messages"
"""The group of what no group names."""


@dataclass(frozen=True)
class HelpPage:
    """What a manual says beyond the options' own help.

    Attributes:
        groups: titles with the options under them, by any of their names ("--bpp"), in order.
        short: the options of the first screen.
        examples: (command line, what it does).
        environment: (variable, what it does).
        see_also: commands and documents.
        foreign: options of other programs that are looked for here, and the hint that a call with one gets.
    """

    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    short: Sequence[str] = ()
    examples: Sequence[tuple[str, str]] = ()
    environment: Sequence[tuple[str, str]] = ENVIRONMENT
    see_also: Sequence[str] = ()
    foreign: Mapping[str, str] = field(default_factory=dict)


class HelpCommand(click.Command):
    """A command whose --help is its whole `page`; if that has a first screen, -h and a call without words show it."""

    def __init__(self, *args: Any, page: HelpPage, **attributes: Any):
        super().__init__(*args, **attributes)
        self.page = page
        for param in self.params:
            if isinstance(param.type, click.IntRange | click.FloatRange) and not param.metavar:
                param.metavar = "N" if isinstance(param.type, click.IntRange) else "X"
            if param.type is click.STRING:
                param.type = TEXT
        if page.short:
            self.params.append(SHORT_HELP)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of a call; a value that cannot be read ends it with one line, as any error of the command."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except NqError as error:
            fail(error, error.exit_code)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of a call."""
        if not args and self.page.short and not ctx.resilient_parsing:
            click.echo(short_help(ctx), err=True)
            ctx.exit(2)
        words, known = list(args), {name for param in self.params for name in param.opts}
        if "--json" in known and not ctx.resilient_parsing and (hint := json_file(words, known)):
            raise click.UsageError(hint, ctx)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if hint := instead(self.page.foreign, words, known):
                raise click.UsageError(hint, ctx) from error
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options by group, then examples, exit codes, environment and pointers."""
        for title, params in grouped(self.page, self.get_params(ctx)).items():
            with formatter.section(title):
                formatter.write_dl(_records(ctx, params))
        format_page(self.page, formatter)


class HelpGroup(click.Group):
    """The same for a command of commands, which has no options worth grouping."""

    def __init__(self, *args: Any, page: HelpPage, **attributes: Any):
        super().__init__(*args, **attributes)
        self.page = page

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, exit codes, environment and pointers."""
        format_page(self.page, formatter)


def grouped(page: HelpPage, params: Iterable[click.Parameter]) -> dict[str, list[click.Parameter]]:
    """Options by title, in the page's order; what no group names is in the group `LAST`."""
    options = [param for param in params if isinstance(param, click.Option)]
    result: dict[str, list[click.Parameter]] = {}
    named = {name for names in page.groups.values() for name in names}
    for title, names in page.groups.items():
        result[title] = [option for name in names for option in options if name in option.opts]
    result.setdefault(LAST, []).extend(option for option in options if not named & set(option.opts))
    return {title: found for title, found in result.items() if found}


def short_help(ctx: click.Context) -> str:
    """The first screen: usage, what the command does in a sentence, the options most used, examples."""
    command = ctx.command
    assert isinstance(command, HelpCommand)
    formatter = ctx.make_formatter()
    command.format_usage(ctx, formatter)
    with formatter.indentation():
        formatter.write_paragraph()
        formatter.write_text(command.get_short_help_str(limit=110))
    params = command.get_params(ctx)
    shown = [param for name in command.page.short for param in params if name in param.opts]
    with formatter.section("Most used options"):
        formatter.write_dl([(names, first_clause(text)) for names, text in _records(ctx, shown)])
    with formatter.section("Examples"):
        for line, _ in command.page.examples[:3]:
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")
    formatter.write_paragraph()
    formatter.write_text(f"{ctx.command_path} --help shows every option, exit codes and the environment.")
    return formatter.getvalue().rstrip("\n")


def first_clause(text: str) -> str:
    """An option's help up to its first full stop or semicolon."""
    ends = [text.find(mark) for mark in (". ", "; ", "  [") if mark in text]
    return text[: min(ends)] if ends else text.rstrip(".")


def format_page(page: HelpPage, formatter: click.HelpFormatter) -> None:
    """The sections after the options."""
    if page.examples:
        with formatter.section("Examples"):
            for line, what in page.examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
                with formatter.indentation():
                    formatter.indent()
                    formatter.write_text(what)
                    formatter.dedent()
    with formatter.section("Exit codes"):
        formatter.write_dl(EXIT_CODES)
    with formatter.section("Environment"):
        formatter.write_dl(page.environment)
    if page.see_also:
        with formatter.section("See also"):
            formatter.write_text("; ".join(page.see_also))


def _records(ctx: click.Context, params: Iterable[click.Parameter]) -> list[tuple[str, str]]:
    return [record for param in params if (record := param.get_help_record(ctx))]


def _show_short(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(short_help(ctx))
        ctx.exit()


SHORT_HELP = click.Option(
    ["-h"], is_flag=True, is_eager=True, expose_value=False, callback=_show_short, help="Show the first screen only."
)
