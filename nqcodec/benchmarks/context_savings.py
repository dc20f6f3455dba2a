"""What the context model saves on a file's latents against the best static model of each (`nqtool bench latents`)."""

from __future__ import annotations

from typing import Any

from nqcodec.bitstream.file import NqFile
from nqcodec.entropy.tensors import estimate_bits
from nqcodec.network.integer_network import IntTensor, channel_axis


def context_savings(file: NqFile) -> dict[str, Any]:
    """Bytes of each latent as coded and as the best static model would take, side information included, and sums."""
    rows = []
    for number in range(len(file.index)):
        segment = file.segment(number)
        for index, layer in enumerate(segment.network.layers):
            if "latent" in layer.tensors:
                rows.append(_row(f"segment {number} operation {index}", layer.tensors["latent"]))
    coded, static = (sum(row[name] for row in rows) for name in ("coded_bytes", "static_bytes"))
    saved = 1 - coded / static if static else 0.0
    return {"file": file.path, "latents": rows, "coded_bytes": coded, "static_bytes": static, "saved": saved}


def _row(name: str, tensor: IntTensor) -> dict[str, Any]:
    axis = channel_axis("latent")
    static = estimate_bits(tensor.values, tensor.bits, axis)
    coded = min(static, estimate_bits(tensor.values, tensor.bits, axis, tensor.context))
    return {
        "latent": name,
        "shape": "x".join(map(str, tensor.values.shape)),
        "coded_bytes": coded / 8,
        "static_bytes": static / 8,
    }
