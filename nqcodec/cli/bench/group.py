"""nqtool bench: one group of all benchmarks."""

from __future__ import annotations

import click

from nqcodec.cli.bench.comparisons import against_codecs, backbones, rates
from nqcodec.cli.bench.encodes import encoding, md5s, robustness
from nqcodec.cli.bench.fits import ablation, clips, latents, motion, stills
from nqcodec.cli.bench.speed import coder, decode, gradients, kernels, startup
from nqcodec.cli.bench.tables import tables
from nqcodec.cli.help import HelpGroup, HelpPage

PAGE = HelpPage(
    examples=(
        ("nqtool bench decode --file clip.nq --json", "Decoding of one file, as data."),
        ("nqtool bench backbones clip.mkv --bpp 0.1 --save backbones.json", "All backbones at equal time."),
    ),
    see_also=("nqtool bench COMMAND --help", "BENCHMARKS.md", "docs/component-benchmarks.md"),
)


@click.group(cls=HelpGroup, page=PAGE)
def bench() -> None:
    """Measure this machine and the methods. Ratios are taken within one run.

    Every command prints one table, and --save keeps it with its command, machine, commit and date. The tables of
    BENCHMARKS.md and docs/component-benchmarks.md are made from such files by `nqtool bench tables`.
    """


for command in (
    *(coder, decode, startup, kernels, gradients),
    *(latents, ablation, stills, motion, clips),
    *(against_codecs, backbones, rates),
    *(robustness, md5s, encoding, tables),
):
    bench.add_command(command)
