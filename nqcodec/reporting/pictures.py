"""What pages show: figures as PNG and SVG, pictures within a page, and maps of errors."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nqcodec.errors import UnsupportedError
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.video import Frame, Video

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAIN = 8
"""How much an error map brightens |difference| of luma in 1/255."""


FIGURE_FORMATS = (".png", ".svg", ".pdf")
"""What `write_figure` writes, by the end of the file's name."""


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that its file's name ends with; raises OutputError."""
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=150)
    with AtomicFile(path) as file:
        file.write(picture.getvalue())


def png(figure: Figure) -> bytes:
    """A figure as PNG."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=130, metadata={"Software": None})
    return picture.getvalue()


def svg(figure: Figure) -> str:
    """A figure as an SVG element, to stand within a page."""
    import matplotlib as mpl

    picture = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "nqcodec"}):
        figure.savefig(picture, format="svg", metadata={"Date": None})
    text = picture.getvalue()
    return text[text.index("<svg") :]


def data_uri(pixels: npt.NDArray[Any]) -> str:
    """An 8-bit picture [H, W, 3] as a PNG within a page; raises UnsupportedError without imageio and Pillow."""
    try:
        import imageio.v3 as iio
    except ImportError as error:
        raise UnsupportedError("pictures need imageio and Pillow: pip install imageio") from error
    data = iio.imwrite("<bytes>", np.ascontiguousarray(pixels), extension=".png", plugin="pillow")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def luma_error(frame: Frame, original: Frame, video: Video) -> npt.NDArray[np.float64]:
    """|difference| of the first planes [H, W], in 1/255 of the range whatever the depth."""
    return np.abs(frame[0].astype(np.float64) - original[0].astype(np.float64)) * 255 / ((1 << video.depth) - 1)


def error_colours(error: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Black, red, yellow, white [H, W, 3] for absolute errors from 0 to 255 / `GAIN`."""
    level = np.clip(error * GAIN / 255, 0, 1)[..., None]
    ramp = np.clip(3 * level - np.arange(3), 0, 1)
    result: npt.NDArray[np.uint8] = (255 * ramp).round().astype(np.uint8)
    return result
