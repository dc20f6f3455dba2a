"""nqtool sensitivity: how much each tensor of a saved fit suffers from quantisation, as a table or a heat map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from nqcodec.cli.common import guarded
from nqcodec.cli.help import HelpCommand, HelpPage
from nqcodec.cli.options import groups_of, options_of
from nqcodec.cli.pages import THREADS
from nqcodec.cli.progress import progress_bar
from nqcodec.cli.results import ResultOptions, check_save, give_out
from nqcodec.cli.saved_fit import MatchingClipOptions, load_with_clip
from nqcodec.encoder.option import option, parsed_option, required_option, same_option
from nqcodec.encoder.option_text import parse_widths
from nqcodec.errors import UsageError
from nqcodec.media.outputs import refuse_sources
from nqcodec.quantization.settings import CRITERIA

if TYPE_CHECKING:
    from nqcodec.quantization.quantizers import Float64
    from nqcodec.quantization.transform import TensorName
    from nqcodec.reporting.sensitivity_table import SensitivityTable

UNIT = "rise of the MSE, relative to the float network's, planes weighted 6:1:1"
"""What a unit of the loss, the mean of ln(MSE), is to first order. Unlike dB it adds up over tensors."""


WHAT = "What to measure"


@dataclass(frozen=True, kw_only=True)
class SensitivityOptions(MatchingClipOptions, ResultOptions):
    """What a call of nqtool sensitivity says."""

    clip: str
    fit_file: str = required_option(
        "What nqenc --save-fit kept of it.", "Files", flags=("--fit",), metavar="FILE.safetensors"
    )
    plot: str | None = option(None, "Draw a heat map; needs matplotlib.", "Files", metavar="OUT.png")
    method: str = option("measured", "See above.", WHAT, choices=CRITERIA, show_default=True)
    bits: tuple[int, ...] = parsed_option("2:8", parse_widths, "Bit widths A to B, within 2:8.", WHAT, metavar="A[:B]")
    quantizer: Literal["symmetric", "asymmetric"] = option(
        "symmetric", "Levels around zero, or from the least value to the largest.", WHAT, show_default=True
    )
    per: Literal["tensor", "channel"] = option(
        "tensor", "One step size for the tensor, or one for each channel.", WHAT, show_default=True
    )
    search: Literal["max", "mse", "l1", "lp"] = option(
        "mse",
        "Step sizes that cover the range, or of least squared, absolute or |.|^3.5 error.",
        WHAT,
        show_default=True,
    )
    probes: int = option(4, "Frames that the loss is taken on.", WHAT, range=(1, None), show_default=True)
    threads: int | None = option(None, "Default: all cores.", "Machine", range=(1, 1024))
    save: str | None = same_option(ResultOptions, "save", help="Write the table there as JSON.")
    as_json: bool = same_option(ResultOptions, "as_json", help="JSON on stdout.")


SENSITIVITY = HelpPage(
    groups=groups_of(SensitivityOptions),
    examples=(
        (
            "nqenc clip.y4m --arch hnerv --bpp 0.1 --save-fit fit.safetensors -o clip.nq",
            "First, a float network to look at.",
        ),
        ("nqtool sensitivity clip.y4m --fit fit.safetensors --method omega --bits 3:6", "Then its table."),
    ),
    environment=(THREADS,),
    see_also=("docs/rate.md",),
)


@click.command(cls=HelpCommand, page=SENSITIVITY)
@click.argument("clip")
@guarded
@options_of(SensitivityOptions)
def sensitivity(options: SensitivityOptions) -> None:
    """Show how much the MSE of a saved fit rises when its tensors are quantised, by tensor and bit width.

    \b
    measured  the network is run with each tensor quantised alone
    omega     predicted by the full Hessian, with the terms between tensors
    fisher    predicted by the diagonal Fisher information
    """
    from nqcodec.quantization.quantizers import QuantizerKind
    from nqcodec.reporting.sensitivity_table import SensitivitySettings, measure_sensitivities

    check_save(options.save, [options.clip, options.fit_file])
    if options.plot:
        check_plot(Path(options.plot))
        refuse_sources([options.plot], [options.clip, options.fit_file])
    network, packed = load_with_clip(options.fit_file, options.clip, options, options.threads)
    kind = QuantizerKind(options.quantizer == "symmetric", options.per == "channel", options.search)
    settings = SensitivitySettings(options.method, options.bits, kind, options.probes)
    with progress_bar(len(options.bits), "sensitivity", "width", options.as_json) as bar:
        result = measure_sensitivities(network, packed, settings, lambda done, total: bar.update())
    give_out(as_data(result, options), options, lambda: "\n".join(table(result, options)))
    if options.plot:
        draw(result, options, Path(options.plot))


def as_data(result: SensitivityTable, options: SensitivityOptions) -> dict[str, object]:
    """A table as JSON values, distortions in `UNIT`."""
    data: dict[str, object] = {
        "method": options.method,
        "quantizer": options.quantizer,
        "step_sizes": options.per,
        "search": options.search,
        "bits": list(result.bits),
        "unit": UNIT,
        "tensors": tensors_as_data(result),
        "together": result.together.tolist(),
    }
    if result.pairs is not None:
        data["pairs"] = result.pairs.tolist()
    return data


def tensors_as_data(result: SensitivityTable) -> list[dict[str, object]]:
    """The rows of a table, one a tensor, as JSON values."""
    figures = zip(result.tensors, result.distortions.tolist(), result.rates.tolist(), strict=True)
    return [
        {"operation": tensor.index, "name": tensor.name, "rise": rise, "coded_bits": rates}
        for tensor, rise, rates in figures
    ]


def table(result: SensitivityTable, options: SensitivityOptions) -> list[str]:
    """A table as lines of text."""

    def row(title: str, cells: Iterable[str]) -> str:
        return f"{title:<22}" + "".join(f"{cell:>9}" for cell in cells)

    def percents(values: Float64) -> list[str]:
        return [f"{100 * value:.3g}" for value in values]

    how = f"{options.quantizer}, step sizes a {options.per} by {options.search}"
    return [
        f"{UNIT}, in %",
        f"each tensor quantised alone, {options.method}; {how}",
        row("", [f"{bits} bits" for bits in result.bits]),
        *(row(label(tensor), percents(rise)) for tensor, rise in zip(result.tensors, result.distortions, strict=True)),
        row("sum", percents(result.distortions.sum(axis=0))),
        row("all together", percents(result.together)),
        row("coded bytes", [f"{rate / 8:.0f}" for rate in result.rates.sum(axis=0)]),
    ]


def label(tensor: TensorName) -> str:
    """A tensor's name for people: its operation's number as `nqdec --info` counts, and what it is."""
    return f"{tensor.index} {tensor.name}"


def check_plot(path: Path) -> None:
    """Raise UnsupportedError without matplotlib, UsageError for an unknown kind of picture: before the long part."""
    from nqcodec.reporting.finding import check_matplotlib
    from nqcodec.reporting.pictures import FIGURE_FORMATS

    check_matplotlib("--plot")
    if path.suffix.lower() not in FIGURE_FORMATS:
        raise UsageError(f"--plot {path}: name a file ending in {', '.join(FIGURE_FORMATS)}")


def draw(result: SensitivityTable, options: SensitivityOptions, path: Path) -> None:
    """Write a heat map by tensor and width, and for omega one of the pairs of tensors; raises OutputError."""
    from nqcodec.reporting.draw_landscape import draw_sensitivity
    from nqcodec.reporting.pictures import write_figure

    labels = [{"label": label(tensor)} for tensor in result.tensors]
    tensors = [{**one, **more} for one, more in zip(tensors_as_data(result), labels, strict=True)]
    data = {**as_data(result, options), "tensors": tensors}
    write_figure(draw_sensitivity(data, f"Sensitivity ({options.method})"), path)
