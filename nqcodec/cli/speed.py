"""nqtool bench decode and nqtool bench kernels: how fast decoding is here, and that every kernel is exact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from nqcodec.cli.common import CONTEXT, guarded, say
from nqcodec.cli.help import Manual
from nqcodec.cli.pages import BENCH_DECODE, BENCH_KERNELS
from nqcodec.cli.results import check_save, give_out, save_json, save_option
from nqcodec.decoder.device import check_decoding_device
from nqcodec.errors import NqError
from nqcodec.media.text import counted

CASE_NAMES = ("pyramid", "pyramid-wide", "pyramid-light", "hnerv-3m", "hnerv-0.75m", "hinerv-xxs", "hnerv-3m-1080p")


@click.command("decode", cls=Manual, page=BENCH_DECODE, context_settings=CONTEXT)
@click.option(
    "--case", "cases", type=click.Choice(CASE_NAMES), multiple=True, help="Repeatable; default: all but 1080p."
)
@click.option("--file", "path", metavar="FILE.nq", help="This file's network instead, decoded end to end as well.")
@click.option(
    "--device",
    metavar="cpu|cuda",
    default="cpu",
    show_default=True,
    help="cuda: by the batch in the device's memory, against torch there.",
)
@click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads; default: all cores.")
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Of rounds, for each network.")
@click.option("--compile", "compiled", is_flag=True, help="Also torch.compile, which takes a minute or more a network.")
@click.option("--pin", "pinned", is_flag=True, help="Threads one to a CPU: for an idle machine.")
@click.option("--no-torch", is_flag=True, help="Only our decoder.")
@click.option("--write", "folder", metavar="FOLDER", help="Write each network there too, NAME.nq of 100 frames.")
@save_option()
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
@guarded
def bench_decoding(path: str | None, save: str | None, as_json: bool, **options: Any) -> None:
    """Frames a second of our decoder against torch in float32 and bfloat16, on the same networks in the same run.

    Networks of random integers: HNeRV 3M at 1280x640 and 0.75M at 640x320, HiNeRV XXS and three pyramids at 1280x720.
    Every round runs one frame of each contestant; shares are of the 16-bit dot products that the machine does on
    registers alone, measured in the same rounds. Networks whose 100 frames take less than ten seconds are then coded
    and decoded end to end, from a file to memory and to a .yuv file. With --device cuda, each operation's bytes and
    multiplications are counted, and set against what the device does at best.
    """
    from nqcodec.decoder.timing import machine

    check_decoding_device(options["device"])
    check_save(save, [path])
    on_device = options["device"] == "cuda"
    result: dict[str, Any] = {"machine": machine()}
    for name, figures in _measured_on_device(path, options) if on_device else _measured(path, options):
        result[name] = figures
        save_json(save, result)  # what has been measured is kept if the rest is interrupted
        if not as_json:
            click.echo("\n".join(_device_lines(name, figures) if on_device else decode_lines(name, figures)))
    give_out(result, save, as_json)


def _device_lines(name: str, figures: dict[str, Any]) -> list[str]:
    from nqcodec.benchmarks.device import device_lines

    return device_lines(name, figures)


def _measured_on_device(path: str | None, options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, figures) of each network asked for, on the CUDA device."""
    from nqcodec.benchmarks.cases import CASES, FRAMES, random_integers
    from nqcodec.benchmarks.device import RIVALS, compare_on_device
    from nqcodec.bitstream.file import read_file

    how = () if options["no_torch"] else RIVALS, options["seconds"]
    if path is not None:
        file = read_file(path)
        yield path, compare_on_device(file.segment(0).network, file.video, file.index[0].frames, *how)
        return
    for name in options["cases"] or CASE_NAMES[:-1]:
        say(f"measuring: {name}")
        case = CASES[name]()
        yield name, compare_on_device(random_integers(case.program), case.video, FRAMES, *how)


def _measured(path: str | None, options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, figures) of each network asked for, as they come."""
    from nqcodec.benchmarks.decoding import Rounds, bench_file, run, write_case

    dtypes = () if options["no_torch"] else ("float32", "bfloat16")
    rivals = [
        (dtype, compiled) for dtype in dtypes for compiled in ((False, True) if options["compiled"] else (False,))
    ]
    how = Rounds(options["threads"], options["seconds"], options["pinned"])
    if path is not None:
        yield path, bench_file(path, rivals, how)
        return
    for name in options["cases"] or CASE_NAMES[:-1]:
        if options["folder"]:
            say(f"written: {write_case(name, Path(options['folder']), options['threads'])}")
        say(f"measuring: {name}")
        yield name, run([name], rivals, how)[name]


def decode_lines(name: str, figures: dict[str, Any]) -> list[str]:
    """The figures of one network as text."""
    frame = figures["frame_ms"]
    lines = [
        f"{name}: {figures['kmac_per_pixel']:.3f} kMAC/pixel, {counted(figures['threads'], 'thread')}"
        + (", pinned" if figures["pinned"] else ""),
        f"  nqcodec {figures['synthesis_fps']:8.1f} fps  {frame['median']:.2f} ms (p10 {frame['p10']:.2f}, "
        f"p90 {frame['p90']:.2f}, best {frame['least']:.2f}, {frame['runs']} rounds)",
    ]
    if "peak_gmac_per_s" in figures:
        lines.append(
            f"    {figures['gmac_per_s']:.1f} GMAC/s; at best {100 * figures['share_of_peak']:.0f} % of the measured "
            f"{figures['peak_gmac_per_s']:.0f}, dense convolutions {100 * figures['dense_share_of_peak']:.0f} %; "
            f"{figures['planned_bytes'] / 1e6:.1f} MB planned"
        )
    for rival, each in figures.items():
        if not rival.startswith("torch"):
            continue
        if "failed" in each:
            lines.append(f"  {rival}: does not work here: {each['failed']}")
        else:
            lines.append(
                f"  {rival}: {each['fps']:.1f} fps; we are {each['ours_over_it']:.2f} times as fast "
                f"(best against best {each['ours_over_it_best']:.2f})"
            )
    if "file" in figures:
        lines.append(_file_line(figures["file"]))
    return lines


def _file_line(each: dict[str, Any]) -> str:
    return (
        f"  file: to memory {each['memory_fps']:.1f} fps, to .yuv {each['yuv_fps']:.1f} fps; entropy decoding "
        f"{each['entropy_ms']['median']:.1f} ms ({each['entropy_symbols_per_s'] / 1e6:.1f} M symbols/s, "
        f"{100 * each['entropy_share']:.1f} %), set-up {each['setup_ms']['median']:.1f} ms, "
        f"{each['peak_rss_bytes'] / 1e6:.0f} MB at most"
    )


@click.command("kernels", cls=Manual, page=BENCH_KERNELS, context_settings=CONTEXT)
@click.option("--rounds", type=click.IntRange(1, 10000), default=20, show_default=True, help="Random cases a kernel.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the cases.")
@click.option("--only", metavar="NAME", help="Kernels whose name begins so, e.g. conv.")
@click.option("--no-time", is_flag=True, help="Check only.")
@save_option()
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
@guarded
def bench_kernels(save: str | None, as_json: bool, **options: Any) -> None:
    """Check every kernel of every backend against the numpy reference, and time it in the same loop.

    Random shapes, formats and values, and extreme ones; equality must be exact. Inputs and outputs end at pages that no
    access survives: reading or writing past them stops the process.
    """
    from nqcodec.benchmarks.kernels import check_kernels

    check_save(save)
    result: dict[str, Any] = {}
    wrong = 0
    for name, figures in check_kernels(options["rounds"], options["seed"], options["only"], not options["no_time"]):
        result[name], wrong = figures, wrong + len(figures["wrong"])
        if not as_json:
            times = "".join(f"  {level} {each:.3f}" for level, each in figures.get("ns_per_value", {}).items())
            verdict = f"WRONG: {figures['wrong'][0]}" if figures["wrong"] else f"{figures['cases']} cases exact"
            click.echo(f"{name:<26} {verdict}{'  ns a value:' + times if times else ''}")
    give_out(result, save, as_json)
    if wrong:
        raise NqError(f"{wrong} results differ from the reference")
