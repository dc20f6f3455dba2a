"""All vectors, and their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from conformance_vectors import (
    backbones,
    containers,
    cubic_warps,
    extremes,
    hadamard,
    large_warps,
    metadata,
    operations,
    pictures,
    refused_files,
    refused_metadata,
    refused_programs,
    refused_tensors,
    refused_unread,
    refused_warps,
    refused_windows,
    tensors,
    warps,
    windows,
)
from conformance_vectors.build import Vector
from conformance_vectors.rules import sections_of
from conformance_vectors.seen import seen
from nqcodec.bitstream import LEAST_MINOR, MAJOR
from nqcodec.bitstream.file import parse_file
from nqcodec.decoder.decoder import Decoder
from nqcodec.media.video import frame_bytes
from nqcodec.network.operations import OPERATIONS

MODULES = (
    operations,
    backbones,
    pictures,
    tensors,
    hadamard,
    extremes,
    containers,
    refused_files,
    refused_programs,
    refused_tensors,
    windows,
    refused_windows,
    warps,
    cubic_warps,
    refused_warps,
    metadata,
    refused_metadata,
    large_warps,
    refused_unread,
)


@cache
def vectors() -> tuple[Vector, ...]:
    """All vectors, by name; raises ValueError where two share one."""
    made = sorted((vector for module in MODULES for vector in module.vectors()), key=lambda vector: vector.name)
    names = [vector.name for vector in made]
    if len(set(names)) < len(names):
        raise ValueError(f"vectors of one name: {sorted({name for name in names if names.count(name) > 1})}")
    return tuple(made)


def descriptor(vector: Vector) -> dict[str, Any]:
    """What the JSON file beside a vector says (formats/conformance/README.md)."""
    features = sorted({*vector.features, *(() if vector.error else seen(vector.data))})
    later = [kind for kind in OPERATIONS.values() if kind.minor_version > LEAST_MINOR]
    minors = [kind.minor_version for kind in later if f"operation:{kind.name}" in features]
    common = {
        "name": vector.name,
        "specification": f"{MAJOR}.{max([vector.minor, *minors])}",
        "purpose": vector.purpose,
        "features": features,
        "sections": sections_of(vector.name, features),
        "bytes": len(vector.data),
        "file_md5": hashlib.md5(vector.data, usedforsecurity=False).hexdigest(),
    }
    return common | ({"error": vector.error} if vector.error else decoded(vector.data))


def decoded(data: bytes) -> dict[str, Any]:
    """What the reference backend makes of a legal file."""
    file = parse_file(data, "vector")
    video, whole, hashes = file.video, hashlib.md5(usedforsecurity=False), []
    for frame in Decoder(file, backend="reference", threads=1).frames():
        planes = frame_bytes(frame)
        whole.update(planes)
        hashes.append(hashlib.md5(planes, usedforsecurity=False).hexdigest())
    return {
        "frames": video.frames,
        "width": video.width,
        "height": video.height,
        "chroma": "rgb" if video.is_rgb else video.chroma.label,
        "depth": video.depth,
        "fps": f"{video.fps.numerator}/{video.fps.denominator}",
        "macs": sum(file.layout(i).program.macs * entry.frames for i, entry in enumerate(file.index)),
        "md5": whole.hexdigest(),
        "frame_md5": hashes,
    }


def descriptors() -> dict[str, dict[str, Any]]:
    """The descriptor of each vector by name, made anew."""
    return {vector.name: descriptor(vector) for vector in vectors()}


def files(chosen: Iterable[Vector], descriptors: Mapping[str, Mapping[str, Any]]) -> dict[str, bytes]:
    """Contents of the vectors' files by name."""
    made = {}
    for vector in chosen:
        made[f"{vector.name}.nq"] = vector.data
        text = json.dumps(descriptors[vector.name], indent=1, ensure_ascii=False)
        made[f"{vector.name}.json"] = (text + "\n").encode()
    return made


def write(folder: Path, descriptors: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the folder hold the files of all vectors, and no other vector's."""
    made = files(vectors(), descriptors)
    for path in [*folder.glob("*.nq"), *folder.glob("*.json")]:
        if path.name not in made:
            path.unlink()
    for name, content in made.items():
        (folder / name).write_bytes(content)
