"""nqtool: what is neither encoding nor decoding: describe, cut and join files, measure this machine."""

from __future__ import annotations

import json
import sys

import click

from nqcodec.cli.analyse import analyse, plot
from nqcodec.cli.bench.group import bench
from nqcodec.cli.common import CONTEXT, guarded, version_option
from nqcodec.cli.compare import compare
from nqcodec.cli.completion import completion
from nqcodec.cli.conform import conform
from nqcodec.cli.help import HelpCommand, HelpGroup
from nqcodec.cli.nq_input import open_nq, read_bytes
from nqcodec.cli.pages import INFO, NQTOOL
from nqcodec.cli.results import check_save, one_or_all, save_json
from nqcodec.cli.sensitivity import sensitivity
from nqcodec.cli.splice import cut, join
from nqcodec.errors import UsageError
from nqcodec.network.program import Limits


@click.group(cls=HelpGroup, page=NQTOOL, context_settings=CONTEXT)
@version_option
def main() -> None:
    """Tools around .nq files: describe, cut, join them, measure machine and methods, compare with other codecs."""


@main.command(cls=HelpCommand, page=INFO)
@click.argument("files", metavar="FILE.nq|-...", nargs=-1, required=True)
@click.option(
    "--save",
    metavar="FILE.json",
    help="Write the descriptions there as JSON: an object, or a list of one for each file.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@click.option("--hex", "as_hex", is_flag=True, help="Every field instead, with its offset, bytes and value.")
@guarded
def info(files: tuple[str, ...], save: str | None, as_json: bool, as_hex: bool) -> None:
    """Describe files: header, clips, segments, network, bytes by part. FILE.nq may be - for standard input."""
    from nqcodec.cli.info import file_info, info_lines

    if as_hex and (as_json or save):
        raise UsageError("--hex is text alone: leave out --json and --save")
    check_save(save, files)
    if as_hex:
        for path in files:
            click.echo("\n".join(hex_lines(path)))
        return
    results = []
    for path in files:
        data = file_info(open_nq(path, Limits()), Limits())
        results.append(data)
        click.echo(json.dumps(data) if as_json else "\n".join(info_lines(data)))
    save_json(save, one_or_all(results))


def hex_lines(path: str) -> list[str]:
    """Every field of a file as text; raises as `open_nq`."""
    from nqcodec.bitstream.hexdump import dump_lines, file_fields

    return list(dump_lines(file_fields(read_bytes(path), path, Limits())))


for command in (cut, join, bench, sensitivity, compare, conform, analyse, plot, completion):
    main.add_command(command)


if __name__ == "__main__":
    sys.exit(main())
