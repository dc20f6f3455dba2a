"""What the context model saves on a file's latents against the best static model of each (`nqtool bench latents`)."""

from __future__ import annotations

from collections.abc import Iterator

from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.bitstream.file import NqFile
from nqcodec.entropy.tensors import estimate_bits
from nqcodec.network.integer_network import IntTensor, channel_axis

COLUMNS = (
    Column("latent", "latent"),
    Column("shape", "shape"),
    Column("coded_bytes", "coded", "bytes", 0),
    Column("static_bytes", "best static model", "bytes", 0),
    Column("saved_percent", "saved", "%", 1),
)


def run(file: NqFile) -> Measurement:
    """A row for each latent, and one for all: bytes as coded, and as the best static model would take."""
    note = f"These are the latents of {file.path}; side information is counted in both."
    return Measurement("latents", "What context coding saves", COLUMNS, _rows(file), note)


def _rows(file: NqFile) -> Iterator[Cells]:
    coded_sum = static_sum = 0.0
    for number in range(len(file.index)):
        for index, layer in enumerate(file.segment(number).network.layers):
            if "latent" in layer.tensors:
                tensor = layer.tensors["latent"]
                coded, static = _bytes(tensor)
                coded_sum, static_sum = coded_sum + coded, static_sum + static
                shape = "x".join(map(str, tensor.values.shape))
                yield _row(f"segment {number} operation {index}", shape, coded, static)
    yield _row("all", "", coded_sum, static_sum)


def _bytes(tensor: IntTensor) -> tuple[float, float]:
    """Bytes of a latent as coded and by the best static model."""
    axis = channel_axis("latent")
    static = estimate_bits(tensor.values, tensor.bits, axis)
    return min(static, estimate_bits(tensor.values, tensor.bits, axis, tensor.context)) / 8, static / 8


def _row(name: str, shape: str, coded: float, static: float) -> Cells:
    saved = 100 * (1 - coded / static) if static else 0.0
    return {"latent": name, "shape": shape, "coded_bytes": coded, "static_bytes": static, "saved_percent": saved}
