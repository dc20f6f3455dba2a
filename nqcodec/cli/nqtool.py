"""nqtool: what is neither encoding nor decoding: describe files, measure this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from nqcodec.bitstream.file import read_file
from nqcodec.cli.analyse import analyse, plot
from nqcodec.cli.backbones import backbones
from nqcodec.cli.bench.tables import tables
from nqcodec.cli.common import CONTEXT, guarded, say, version_option
from nqcodec.cli.compare import compare
from nqcodec.cli.conform import conform
from nqcodec.cli.figures import lines
from nqcodec.cli.help import Manual, ManualGroup
from nqcodec.cli.nq_input import open_nq
from nqcodec.cli.pages import BENCH, INFO, NQTOOL
from nqcodec.cli.quantise import ablation, quantise
from nqcodec.cli.recipe import recipe
from nqcodec.cli.results import check_save, give_out, one_or_all, save_json, save_option
from nqcodec.cli.robustness import robustness
from nqcodec.cli.sensitivity import sensitivity
from nqcodec.cli.shells import completion
from nqcodec.cli.speed import bench_decoding, bench_kernels
from nqcodec.network.program import Limits


@click.group(cls=ManualGroup, page=NQTOOL, context_settings=CONTEXT)
@version_option
def main() -> None:
    """Tools around .nq files: describe them, measure this machine and the methods, compare with other codecs."""


@main.command(cls=Manual, page=INFO)
@click.argument("files", metavar="FILE.nq|-...", nargs=-1, required=True)
@save_option("Write the descriptions there as JSON: an object, or a list of one for each file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@guarded
def info(files: tuple[str, ...], save: str | None, as_json: bool) -> None:
    """Describe files: header, segments, network, bytes by part. FILE.nq may be - for standard input."""
    from nqcodec.cli.info import file_info, info_lines

    check_save(save, files)
    told = []
    for path in files:
        data = file_info(open_nq(path, Limits()), Limits())
        told.append(data)
        click.echo(json.dumps(data) if as_json else "\n".join(info_lines(data)))
    save_json(save, one_or_all(told))


class Bench(Manual):
    """A command of words, the first of which may instead name a benchmark with options of its own."""

    own: Mapping[str, click.Command] = {
        "backbones": backbones,
        "decode": bench_decoding,
        "kernels": bench_kernels,
        "recipe": recipe,
        "quantise": quantise,
        "ablation": ablation,
        "robustness": robustness,
        "tables": tables,
    }

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the benchmark named, or of this command."""
        if args and args[0] in self.own:
            return self.own[args[0]].make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


def _benchmarks(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """What a shell offers in the place of PARTS; benchmarks with options of their own only in the first."""
    assert isinstance(param.type, click.Choice)
    names = [*param.type.choices, *(() if context.params.get("parts") else Bench.own)]
    return sorted({name for name in names if name.startswith(incomplete)})


@main.command(cls=Bench, page=BENCH)
@click.argument(
    "parts",
    nargs=-1,
    type=click.Choice(["coder", "decode", "fit", "hadamard", "latents", "options"]),
    shell_complete=_benchmarks,
)
@click.option(
    "--file",
    "path",
    metavar="FILE.nq",
    help="The file of decode and latents; default: built-in networks, and the sample.",
)
@click.option("--clip", default="samples/bbb_320x180.mkv", show_default=True, help="The clip of options.")
@click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads; default: all cores, and one for what fits.")
@save_option()
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
@guarded
def bench(
    parts: tuple[str, ...], path: str | None, clip: str, threads: int | None, save: str | None, as_json: bool
) -> None:
    """Measure this machine and the methods. Ratios are taken within one run.

    PARTS: coder, decode, fit and hadamard, which are also the default and take a minute or two; latents (what context
    coding saves on a file) takes a second; options (each option of a float fit of --clip against the default) takes a
    few minutes. Named first, these have options of their own, see their --help: `nqtool bench backbones` compares
    backbones at equal time, `decode` decoding with torch's, `kernels` checks and times every kernel, `quantise`
    compares allocations, quantizers and calibrations on one fit, `ablation` what each ingredient is worth against
    NeuroQuant's method, `recipe` the default with a paper's training, `robustness` files with what their fits promised.
    """
    from nqcodec.decoder.timing import machine

    check_save(save, [path, clip])
    chosen = parts or ("coder", "decode", "fit", "hadamard")
    result: dict[str, Any] = {"machine": machine()}
    for part in chosen:
        say(f"measuring: {part}")
        result[part] = RUNNERS[part](path, clip, threads)
        if not as_json:
            click.echo(f"{part}\n" + "\n".join(lines(result[part], "  ")))
    give_out(result, save, as_json)


def _coder(path: str | None, clip: str, threads: int | None) -> dict[str, Any]:
    from nqcodec.benchmarks.entropy import run

    return run()


def _decode(path: str | None, clip: str, threads: int | None) -> dict[str, Any]:
    if path is None:
        from nqcodec.benchmarks.decoding import Rounds, run

        return run(how=Rounds(threads))
    from nqcodec.decoder.timing import bench_decode

    file = read_file(path)
    return bench_decode(file, None, threads, (0, file.video.frames))


def _fit(path: str | None, clip: str, threads: int | None) -> dict[str, Any]:
    from nqcodec.benchmarks.training import run

    return run(threads=threads or 1)  # what a fit has by default


main.add_command(sensitivity)
main.add_command(compare)
main.add_command(conform)
main.add_command(analyse)
main.add_command(plot)
main.add_command(completion)


def _hadamard(path: str | None, clip: str, threads: int | None) -> dict[str, Any]:
    from nqcodec.benchmarks.hadamard import run

    return run(threads=threads)


def _latents(path: str | None, clip: str, threads: int | None) -> dict[str, Any]:
    from nqcodec.benchmarks.context_savings import context_savings

    return context_savings(read_file(path or "samples/bbb_320x180.nq"))


def _options(path: str | None, clip: str, threads: int | None) -> dict[str, Any]:
    from nqcodec.benchmarks.training_options import run

    return run(clip, threads=threads or 1)


RUNNERS = {
    "coder": _coder,
    "decode": _decode,
    "fit": _fit,
    "hadamard": _hadamard,
    "latents": _latents,
    "options": _options,
}


if __name__ == "__main__":
    sys.exit(main())
