"""nqtool sensitivity: how much each tensor of a saved fit suffers from quantisation, as a table or a heat map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nqcodec.cli.common import guarded
from nqcodec.cli.help import HelpCommand
from nqcodec.cli.options import option_named
from nqcodec.cli.pages import SENSITIVITY
from nqcodec.cli.progress import progress_bar
from nqcodec.cli.results import check_save, give_out, save_option
from nqcodec.encoder.options import ClipOptions
from nqcodec.errors import UsageError
from nqcodec.media.outputs import refuse_sources
from nqcodec.quantization.settings import CRITERIA

if TYPE_CHECKING:
    from nqcodec.media.clip import ClipInput
    from nqcodec.media.video import Video
    from nqcodec.reporting.sensitivity_table import SensitivityTable
    from nqcodec.training.clip import PackedClip
    from nqcodec.training.network import FloatNetwork

WIDTHS = (2, 8)
UNIT = "rise of the MSE, relative to the float network's, planes weighted 6:1:1"
"""What a unit of the loss, the mean of ln(MSE), is to first order. Unlike dB it adds up over tensors."""


@click.command(cls=HelpCommand, page=SENSITIVITY)
@click.argument("clip")
@click.option("--fit", "fit_file", required=True, metavar="FILE.safetensors", help="What nqenc --save-fit kept of it.")
@click.option("--method", type=click.Choice(CRITERIA), default="measured", show_default=True, help="See above.")
@click.option("--bits", default="2:8", show_default=True, metavar="A[:B]", help="Bit widths A to B, within 2:8.")
@click.option(
    "--quantizer",
    type=click.Choice(["symmetric", "asymmetric"]),
    default="symmetric",
    show_default=True,
    help="Levels around zero, or from the least value to the largest.",
)
@click.option(
    "--per",
    type=click.Choice(["tensor", "channel"]),
    default="tensor",
    show_default=True,
    help="One step size for the tensor, or one for each channel.",
)
@click.option(
    "--search",
    type=click.Choice(["max", "mse", "l1", "lp"]),
    default="mse",
    show_default=True,
    help="Step sizes that cover the range, or of least squared, absolute or |.|^3.5 error.",
)
@click.option(
    "--probes", type=click.IntRange(1), default=4, show_default=True, help="Frames that the loss is taken on."
)
@option_named(ClipOptions, "seek", help="The fit's first frame in the clip, or its time, as 1.5s.")
@option_named(ClipOptions, "input_res")
@option_named(ClipOptions, "input_csp")
@option_named(ClipOptions, "input_depth")
@click.option("--threads", type=click.IntRange(1, 1024), help="Default: all cores.")
@save_option("Write the table there as JSON.")
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
@click.option("--plot", metavar="OUT.png", help="Draw a heat map; needs matplotlib.")
@guarded
def sensitivity(**options: Any) -> None:
    """Show how much the MSE of a saved fit rises when its tensors are quantised, by tensor and bit width.

    \b
    measured  the network is run with each tensor quantised alone
    omega     predicted by the full Hessian, with the terms between tensors
    fisher    predicted by the diagonal Fisher information
    """
    from nqcodec.quantization.quantizers import QuantizerKind
    from nqcodec.reporting.sensitivity_table import SensitivitySettings, measure_sensitivities

    widths = parse_widths(options["bits"])
    check_save(options["save"], [options["clip"], options["fit_file"]])
    if options["plot"]:
        check_plot(Path(options["plot"]))
        refuse_sources([options["plot"]], [options["clip"], options["fit_file"]])
    network, packed = load(options)
    kind = QuantizerKind(options["quantizer"] == "symmetric", options["per"] == "channel", options["search"])
    settings = SensitivitySettings(options["method"], widths, kind, options["probes"])
    with progress_bar(len(widths), "sensitivity", "width", options["as_json"]) as bar:
        result = measure_sensitivities(network, packed, settings, lambda done, total: bar.update())
    data = as_data(result, options)
    give_out(data, options["save"], options["as_json"], lambda: "\n".join(table(result, options)))
    if options["plot"]:
        draw(data, Path(options["plot"]))


def parse_widths(text: str) -> tuple[int, ...]:
    """Bit widths A to B, both included; raises UsageError."""
    low, colon, high = text.partition(":")
    high = high if colon else low
    if not (low.isdigit() and high.isdigit() and WIDTHS[0] <= int(low) <= int(high) <= WIDTHS[1]):
        raise UsageError(f"--bits {text}: write A:B, widths A to B, or one width, within 2:8")
    return tuple(range(int(low), int(high) + 1))


def load(options: dict[str, Any]) -> tuple[FloatNetwork, PackedClip]:
    """The saved fit, and the frames that it is of; raises UsageError if the clip is another."""
    import torch

    from nqcodec.training.checkpoint import load_fit
    from nqcodec.training.clip import pack

    if options["threads"]:
        torch.set_num_threads(options["threads"])
    saved = load_fit(Path(options["fit_file"]))
    source = clip_like(saved.video, options)
    video = source.describe()
    if replace(saved.video, fps=video.fps) != video:
        raise UsageError(f"{options['fit_file']}: is a fit of another clip (size, format or number of frames differ)")
    return saved.network, pack(source.frames(), video, saved.network.program)


def clip_like(video: Video, options: dict[str, Any]) -> ClipInput:
    """The clip that the options name, in the format and length of `video`; raises UsageError."""
    from nqcodec.media.clip import CSP, ClipInput

    names = {chroma: name for name, chroma in CSP.items() if name != "rgb"}
    return ClipInput(
        options["clip"],
        input_res=options["input_res"],
        csp=options["input_csp"],
        depth=options["input_depth"],
        start=options["seek"],
        count=video.frames,
        coded_csp="rgb" if video.is_rgb else names[video.chroma],
        coded_depth=video.depth,
    )


def as_data(result: SensitivityTable, options: dict[str, Any]) -> dict[str, Any]:
    """A table as JSON values, distortions in `UNIT`."""
    data: dict[str, Any] = {
        "method": options["method"],
        "quantizer": options["quantizer"],
        "steps": options["per"],
        "search": options["search"],
        "bits": list(result.bits),
        "unit": UNIT,
        "tensors": [
            {"operation": tensor.index, "name": tensor.name, "rise": rise, "coded_bits": rates}
            for tensor, rise, rates in zip(
                result.tensors, result.distortions.tolist(), result.rates.tolist(), strict=True
            )
        ],
        "together": result.together.tolist(),
    }
    if result.pairs is not None:
        data["pairs"] = result.pairs.tolist()
    return data


def table(result: SensitivityTable, options: dict[str, Any]) -> list[str]:
    """A table as lines of text."""

    def row(title: str, cells: Any) -> str:
        return f"{title:<22}" + "".join(f"{cell:>9}" for cell in cells)

    def percents(values: Any) -> list[str]:
        return [f"{100 * value:.3g}" for value in values]

    how = f"{options['quantizer']}, step sizes a {options['per']} by {options['search']}"
    return [
        f"{UNIT}, in %",
        f"each tensor quantised alone, {options['method']}; {how}",
        row("", [f"{bits} bits" for bits in result.bits]),
        *(row(label(tensor), percents(rise)) for tensor, rise in zip(result.tensors, result.distortions, strict=True)),
        row("sum", percents(result.distortions.sum(axis=0))),
        row("all together", percents(result.together)),
        row("coded bytes", [f"{rate / 8:.0f}" for rate in result.rates.sum(axis=0)]),
    ]


def label(tensor: Any) -> str:
    """A tensor's name for people: its operation's number as `nqdec --info` counts, and what it is."""
    return f"{tensor.index} {tensor.name}"


def check_plot(path: Path) -> None:
    """Raise UnsupportedError without matplotlib, UsageError for an unknown kind of picture: before the long part."""
    from nqcodec.reporting.finding import check_matplotlib
    from nqcodec.reporting.pictures import FIGURE_FORMATS

    check_matplotlib("--plot")
    if path.suffix.lower() not in FIGURE_FORMATS:
        raise UsageError(f"--plot {path}: name a file ending in {', '.join(FIGURE_FORMATS)}")


def draw(data: dict[str, Any], path: Path) -> None:
    """Write a heat map by tensor and width, and for omega one of the pairs of tensors; raises OutputError."""
    from nqcodec.reporting.draw_landscape import draw_sensitivity
    from nqcodec.reporting.pictures import write_figure

    labelled = [{**tensor, "label": f"{tensor['operation']} {tensor['name']}"} for tensor in data["tensors"]]
    write_figure(draw_sensitivity({**data, "tensors": labelled}, f"Sensitivity ({data['method']})"), path)
