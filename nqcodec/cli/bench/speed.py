"""nqtool bench coder, decode, startup, kernels and gradients: how fast this machine is, and that kernels are exact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nqcodec.benchmarks.cases import CASES
from nqcodec.cli.bench.common import MACHINE, bench_command, give
from nqcodec.cli.common import guarded, say
from nqcodec.cli.help import CPU, HelpPage
from nqcodec.cli.options import groups_of, options_of
from nqcodec.cli.results import RESULTS, ResultOptions, check_save
from nqcodec.decoder.device import check_decoding_device
from nqcodec.encoder.option import option
from nqcodec.encoder.options import SEED_RANGE
from nqcodec.errors import NqError, UsageError

LARGE_CASE = "hnerv-3m-1080p"
WHAT, RIVALS, CHECKS = "What to measure", "Against what", "What to check"


@dataclass(frozen=True, kw_only=True)
class DecodeOptions(ResultOptions):
    """What a call of nqtool bench decode says."""

    cases: tuple[str, ...] = option(
        (), "Repeatable; default: all but 1080p.", WHAT, flags=("--case",), choices=tuple(CASES), repeatable=True
    )
    path: str | None = option(
        None,
        "This file's network instead, decoded end to end as well.",
        WHAT,
        flags=("--file",),
        metavar="FILE.nq",
    )
    no_torch: bool = option(False, "Only our decoder.", RIVALS)
    compiled: bool = option(
        False, "Also torch.compile, which takes a minute or more a network.", RIVALS, flags=("--compile",)
    )
    device: str = option(
        "cpu",
        "cuda: by the batch in the device's memory, against torch there.",
        MACHINE,
        metavar="cpu|cuda",
        show_default=True,
    )
    threads: int | None = option(None, "CPU threads; default: all cores.", MACHINE, range=(1, 1024))
    pinned: bool = option(False, "Threads one to a CPU: for an idle machine.", MACHINE, flags=("--pin",))
    seconds: float = option(4.0, "Of rounds, for each network.", MACHINE, range=(0, None), show_default=True)
    folder: str | None = option(
        None, "Write each network there too, NAME.nq of 100 frames.", RESULTS, flags=("--write",), metavar="FOLDER"
    )


@dataclass(frozen=True, kw_only=True)
class StartupOptions(ResultOptions):
    """What a call of nqtool bench startup says."""

    path: str = option(
        "samples/bbb_320x180.nq", "The file.", WHAT, flags=("--file",), metavar="FILE.nq", show_default=True
    )
    rounds: int = option(20, "Turns of each call.", WHAT, range=(1, 10000), show_default=True)


@dataclass(frozen=True, kw_only=True)
class KernelsOptions(ResultOptions):
    """What a call of nqtool bench kernels says."""

    rounds: int = option(20, "Random cases a kernel.", CHECKS, range=(1, 10000), show_default=True)
    seed: int = option(0, "Of the cases.", CHECKS, range=SEED_RANGE, show_default=True)
    only: str | None = option(None, "Kernels whose name begins so, e.g. conv.", CHECKS, metavar="NAME")
    no_time: bool = option(False, "Check only.", CHECKS)
    fit: bool = option(False, "Time the warp of four taps in fits against torch instead.", CHECKS)


@dataclass(frozen=True, kw_only=True)
class GradientsOptions(ResultOptions):
    """What a call of nqtool bench gradients says."""

    rounds: int = option(10, "Turns of each.", WHAT, range=(1, 10000), show_default=True)
    only: str | None = option(None, "This network.", WHAT, metavar="NAME")


CODER = HelpPage(
    groups=groups_of(ResultOptions),
    examples=(("nqtool bench coder", "Ours against torchac and the one in Python."),),
    see_also=("docs/component-benchmarks.md",),
)
DECODE = HelpPage(
    groups=groups_of(DecodeOptions),
    examples=(
        ("nqtool bench decode --case pyramid --threads 2 --pin", "One network, threads on CPUs of their own."),
        ("nqtool bench decode --case pyramid --write .", "And pyramid.nq, for nqdec --bench."),
        ("nqtool bench decode --file clip.nq --no-torch", "A file, stage by stage."),
        ("nqtool bench decode --device cuda", "On a GPU, with the time of each operation and its bounds."),
    ),
    environment=(CPU,),
    see_also=("nqdec --help: --bench", "BENCHMARKS.md"),
)
STARTUP = HelpPage(
    groups=groups_of(StartupOptions),
    examples=(("nqtool bench startup --rounds 100", "Processes of the sample, many times."),),
    see_also=("nqdec --help: --bench", "BENCHMARKS.md"),
)
GRADIENTS = HelpPage(
    groups=groups_of(GradientsOptions),
    examples=(('nqtool bench gradients --only "picture, 320x180"', "One network alone."),),
    see_also=("nqtool bench kernels --help", "docs/component-benchmarks.md"),
)
KERNELS = HelpPage(
    groups=groups_of(KernelsOptions),
    examples=(
        ("nqtool bench kernels", "Every operation at every CPU level, checked and timed."),
        ("nqtool bench kernels --fit", "What fits warp with, in libnq and in torch."),
    ),
    environment=(CPU,),
    see_also=("nqtool bench decode --help", "docs/component-benchmarks.md"),
)


@bench_command("coder", CODER)
@guarded
@options_of(ResultOptions)
def coder(options: ResultOptions) -> None:
    """Symbols a second of the entropy coders: ours, torchac and the one in Python, and our context model."""
    from nqcodec.benchmarks.entropy import run

    check_save(options.save)
    give(run(), options)


@bench_command("decode", DECODE)
@guarded
@options_of(DecodeOptions)
def decode(options: DecodeOptions) -> None:
    """Frames a second of our decoder against torch in float32 and bfloat16, on the same networks in the same run.

    Networks of random integers: HNeRV 3M at 1280x640 and 0.75M at 640x320, HiNeRV XXS and three pyramids at 1280x720.
    Every round runs one frame of each contestant; shares are of the 16-bit dot products that the machine does on
    registers alone, measured in the same rounds. Networks whose 100 frames take less than ten seconds are then coded
    and decoded end to end, from a file to memory and to a .yuv file. With --device cuda, each operation's bytes and
    multiplications are counted, and set against what the device does at best.
    """
    check_decoding_device(options.device)
    check_save(options.save, [options.path])
    cases = options.cases or [name for name in CASES if name != LARGE_CASE]
    if options.device == "cuda":
        from nqcodec.benchmarks import device as on_device

        rivals = () if options.no_torch else on_device.RIVALS
        give(on_device.run(cases, options.path, rivals, options.seconds), options)
        return
    from nqcodec.benchmarks.decoding import Rounds, run, write_case

    if options.folder and options.path is None:
        for name in cases:
            say(f"written: {write_case(name, Path(options.folder), options.threads)}")
    dtypes = () if options.no_torch else ("float32", "bfloat16")
    ways = (False, True) if options.compiled else (False,)
    how = Rounds(options.threads, options.seconds, options.pinned)
    give(run(cases, options.path, [(dtype, compiled) for dtype in dtypes for compiled in ways], how), options)


@bench_command("startup", STARTUP)
@guarded
@options_of(StartupOptions)
def startup(options: StartupOptions) -> None:
    """What nqdec takes from its start to the first frame of a file, and to the last: the native program and Python's.

    Each call is a process of its own; calls are made in turns.
    """
    from nqcodec.benchmarks.startup import run

    check_save(options.save, [options.path])
    give(run(Path(options.path), options.rounds), options)


@bench_command("kernels", KERNELS)
@guarded
@options_of(KernelsOptions)
def kernels(options: KernelsOptions) -> None:
    """Check every kernel of every backend against the numpy reference, and time it in the same loop.

    Random shapes, formats and values, and extreme ones; equality must be exact. Inputs and outputs end at pages that no
    access survives: reading or writing past them stops the process.
    """
    from nqcodec.benchmarks import float_warps
    from nqcodec.benchmarks.kernels import run

    check_save(options.save)
    if options.fit:
        give(float_warps.run(options.rounds, options.seed), options)
        return
    result = give(run(options.rounds, options.seed, options.only, not options.no_time), options)
    if wrong := sum(int(str(count)) for count in result.column("wrong")):
        raise NqError(f"{wrong} results differ from the reference")


@bench_command("gradients", GRADIENTS)
@guarded
@options_of(GradientsOptions)
def gradients(options: GradientsOptions) -> None:
    """What a frame of a fit and its gradients take, by libnq at every CPU level and by torch, in turns.

    Default networks of clips of 320x180 to 1280x720 at 0.1 bits a pixel, with and without vectors, and of a picture.
    """
    from nqcodec.benchmarks.frame_gradients import CASES, run

    if options.only is not None and options.only not in CASES:
        raise UsageError(f"there is no network {options.only!r}: choose of {'; '.join(CASES)}")
    check_save(options.save)
    give(run([options.only] if options.only else list(CASES), options.rounds), options)
