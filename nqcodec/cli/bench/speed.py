"""nqtool bench coder, decode, fit, hadamard, kernels: how fast this machine is, and that every kernel is exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nqcodec.benchmarks.cases import CASES
from nqcodec.cli.bench.common import FIT_THREADS, MACHINE_THREADS, bench_command, give
from nqcodec.cli.common import guarded, say
from nqcodec.cli.help import CPU, HelpPage
from nqcodec.cli.results import check_save
from nqcodec.decoder.device import check_decoding_device
from nqcodec.errors import NqError

LARGE_CASE = "hnerv-3m-1080p"

CODER = HelpPage(
    examples=(("nqtool bench coder", "Ours against torchac and the one in Python."),), see_also=("BENCHMARKS.md",)
)
FIT = HelpPage(
    examples=(("nqtool bench fit --threads 2", "The training loop with two threads."),), see_also=("BENCHMARKS.md",)
)
HADAMARD = HelpPage(
    examples=(("nqtool bench hadamard", "The transform against a copy and a matrix product."),),
    environment=(CPU,),
    see_also=("BENCHMARKS.md",),
)
DECODE = HelpPage(
    groups={
        "What to measure": ("--case", "--file"),
        "Against what": ("--no-torch", "--compile"),
        "Machine": ("--device", "--threads", "--pin", "--seconds"),
        "Results": ("--write", "--save", "--json"),
    },
    examples=(
        ("nqtool bench decode --case pyramid --threads 2 --pin", "One network, threads on CPUs of their own."),
        ("nqtool bench decode --case pyramid --write .", "And pyramid.nq, for nqdec --bench."),
        ("nqtool bench decode --file clip.nq --no-torch", "A file, stage by stage."),
        ("nqtool bench decode --device cuda", "On a GPU, with the time of each operation and its bounds."),
    ),
    environment=(CPU,),
    see_also=("nqdec --help: --bench", "BENCHMARKS.md"),
)
KERNELS = HelpPage(
    examples=(("nqtool bench kernels", "Every operation at every CPU level, checked and timed."),),
    environment=(CPU,),
    see_also=("nqtool bench decode --help", "BENCHMARKS.md"),
)


@bench_command("coder", CODER)
@guarded
def coder(**options: Any) -> None:
    """Symbols a second of the entropy coders: ours, torchac and the one in Python, and our context model."""
    from nqcodec.benchmarks.entropy import run

    check_save(options["save"])
    give(run(), options)


@bench_command("fit", FIT)
@FIT_THREADS
@guarded
def fit(threads: int, **options: Any) -> None:
    """Iterations a second of the training loop against a plain one: float32, NCHW and torch's Adam."""
    from nqcodec.benchmarks.training import run

    check_save(options["save"])
    give(run(threads=threads), options)


@bench_command("hadamard", HADAMARD)
@MACHINE_THREADS
@guarded
def hadamard(threads: int | None, **options: Any) -> None:
    """Speed of the Walsh-Hadamard transform against a copy and a dense matrix product."""
    from nqcodec.benchmarks.hadamard import run

    check_save(options["save"])
    give(run(threads=threads), options)


@bench_command("decode", DECODE)
@click.option(
    "--case", "cases", type=click.Choice(list(CASES)), multiple=True, help="Repeatable; default: all but 1080p."
)
@click.option("--file", "path", metavar="FILE.nq", help="This file's network instead, decoded end to end as well.")
@click.option(
    "--device",
    metavar="cpu|cuda",
    default="cpu",
    show_default=True,
    help="cuda: by the batch in the device's memory, against torch there.",
)
@MACHINE_THREADS
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Of rounds, for each network.")
@click.option("--compile", "compiled", is_flag=True, help="Also torch.compile, which takes a minute or more a network.")
@click.option("--pin", "pinned", is_flag=True, help="Threads one to a CPU: for an idle machine.")
@click.option("--no-torch", is_flag=True, help="Only our decoder.")
@click.option("--write", "folder", metavar="FOLDER", help="Write each network there too, NAME.nq of 100 frames.")
@guarded
def decode(path: str | None, device: str, **options: Any) -> None:
    """Frames a second of our decoder against torch in float32 and bfloat16, on the same networks in the same run.

    Networks of random integers: HNeRV 3M at 1280x640 and 0.75M at 640x320, HiNeRV XXS and three pyramids at 1280x720.
    Every round runs one frame of each contestant; shares are of the 16-bit dot products that the machine does on
    registers alone, measured in the same rounds. Networks whose 100 frames take less than ten seconds are then coded
    and decoded end to end, from a file to memory and to a .yuv file. With --device cuda, each operation's bytes and
    multiplications are counted, and set against what the device does at best.
    """
    check_decoding_device(device)
    check_save(options["save"], [path])
    cases = options["cases"] or [name for name in CASES if name != LARGE_CASE]
    if device == "cuda":
        from nqcodec.benchmarks import device as on_device

        rivals = () if options["no_torch"] else on_device.RIVALS
        give(on_device.run(cases, path, rivals, options["seconds"]), options)
        return
    from nqcodec.benchmarks.decoding import Rounds, run, write_case

    if options["folder"] and path is None:
        for name in cases:
            say(f"written: {write_case(name, Path(options['folder']), options['threads'])}")
    dtypes = () if options["no_torch"] else ("float32", "bfloat16")
    ways = (False, True) if options["compiled"] else (False,)
    how = Rounds(options["threads"], options["seconds"], options["pinned"])
    give(run(cases, path, [(dtype, compiled) for dtype in dtypes for compiled in ways], how), options)


@bench_command("kernels", KERNELS)
@click.option("--rounds", type=click.IntRange(1, 10000), default=20, show_default=True, help="Random cases a kernel.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the cases.")
@click.option("--only", metavar="NAME", help="Kernels whose name begins so, e.g. conv.")
@click.option("--no-time", is_flag=True, help="Check only.")
@guarded
def kernels(rounds: int, seed: int, only: str | None, no_time: bool, **options: Any) -> None:
    """Check every kernel of every backend against the numpy reference, and time it in the same loop.

    Random shapes, formats and values, and extreme ones; equality must be exact. Inputs and outputs end at pages that no
    access survives: reading or writing past them stops the process.
    """
    from nqcodec.benchmarks.kernels import run

    check_save(options["save"])
    result = give(run(rounds, seed, only, not no_time), options)
    if wrong := sum(int(str(count)) for count in result.column("wrong")):
        raise NqError(f"{wrong} results differ from the reference")
