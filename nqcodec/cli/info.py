"""What `nqdec --info` and `nqtool info` say of a file: the header's fields, the program, where the bytes are."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import Any

from nqcodec.bitstream.file import NqFile
from nqcodec.bitstream.header import described
from nqcodec.bitstream.levels import level_bound
from nqcodec.bitstream.segment import COMMON_SEQUENCE, SegmentLayout
from nqcodec.bitstream.stream import PROGRAM
from nqcodec.cli.words import video_lines
from nqcodec.media.text import counted
from nqcodec.network.operations import Operation, wire_fields
from nqcodec.network.program import Limits


def file_info(file: NqFile, limits: Limits) -> dict[str, Any]:
    """Everything that the file says of itself without decoding, as plain data."""
    video = file.video
    return {
        "file": file.path,
        "bytes": file.size,
        "bpp": file.bpp,
        "bitrate_kbps": file.size * 8 / 1000 * float(video.fps) / video.frames,
        "format": f"{file.version[0]}.{file.version[1]}",
        "video": described(video),
        "frame_hashes": sum(len(entry.frame_md5) for entry in file.index),
        "metadata": file.metadata.as_dict(),
        "indexed": file.indexed,
        "common_programs": sum(chunk.kind == PROGRAM for entry in file.index for chunk in entry.before),
        "clips": [asdict(clip) for clip in file.clips],
        "segments": [segment_info(file, number, limits) for number in range(len(file.index))],
    }


def segment_info(file: NqFile, number: int, limits: Limits) -> dict[str, Any]:
    """One segment: frames, hash, cost, bytes by part, operations and tensors."""
    layout, entry = file.layout(number, limits), file.index[number]
    pixels = file.video.width * file.video.height
    return {
        "start": entry.first,
        "frames": entry.frames,
        "md5": entry.head.md5.hex(),
        "needs": [],
        "takes_program": entry.head.takes_program,
        "levels": dict(zip(("size", "macs", "maps"), map(level_bound, layout.levels), strict=True)),
        "parameters": layout.program.parameters,
        "kmac_per_pixel": layout.program.macs / pixels / 1000,
        "map_bytes": layout.program.map_bytes,
        "bytes": layout.parts,
        "operations": [_operation_info(layout, index) for index in range(len(layout.program.operations))],
    }


def _operation_info(layout: SegmentLayout, index: int) -> dict[str, Any]:
    op = layout.program.operations[index]
    width, frac = layout.formats[index]
    info: dict[str, Any] = {"index": index, "operation": op.name, "inputs": list(op.inputs), **_fields(op)}
    info["shape"] = list(layout.program.shapes[index])
    if op.has_format:
        info |= {"map_width": width, "frac": frac}
    info["tensors"] = [
        {
            "name": entry.name,
            "shape": list(entry.shape),
            "bits": entry.record.bits,
            "model": entry.record.model,
            "context": asdict(entry.record.context) if entry.record.context else None,
            "step_sizes": "channel" if entry.record.step_index_scale >= 0 else "tensor",
            "step_index": entry.record.step_index,
            "hadamard": asdict(entry.record.hadamard) if entry.record.hadamard else None,
            "bytes": None if entry.small else entry.data_bytes,
        }
        for entry in layout.tensors
        if entry.index == index
    ]
    return info


def _fields(op: Operation) -> dict[str, Any]:
    values = {field.name: getattr(op, field.name) for field in wire_fields(type(op))}
    return {name: list(value) if isinstance(value, tuple) else int(value) for name, value in values.items()}


def info_lines(info: dict[str, Any]) -> list[str]:
    """`file_info` as text."""
    lines = [
        f"{info['file']}: .nq format {info['format']}, {info['bytes']} bytes, {info['bpp']:.5f} bpp, "
        f"{info['bitrate_kbps']:.1f} kb/s",
        *video_lines(info["video"]),
        _container_line(info),
    ]
    lines += [f"  {line}" for line in _metadata_lines(info["metadata"])]
    lines += [_clip_line(number, clip) for number, clip in enumerate(info["clips"])]
    for number, segment in enumerate(info["segments"]):
        lines.append(
            f"segment {number}: frames {segment['start']}:{segment['start'] + segment['frames']}, "
            f"{segment['parameters']} parameters, {segment['kmac_per_pixel']:.3f} kMAC/pixel, "
            f"maps {segment['map_bytes'] / 1e6:.1f} MB, MD5 {segment['md5']}"
        )
        sizes = dict(segment["bytes"])
        program = "an earlier one's" if segment["takes_program"] else f"{sizes['program']} B"
        levels = segment["levels"]
        lines.append(
            f"  header {sizes['header']} B, program {program}, step sizes {sizes['step sizes']} B, "
            f"common sequence {sizes[COMMON_SEQUENCE]} B; needs no other segment"
        )
        lines.append(
            f"  levels: at most {levels['size']} integers, {levels['macs']} MAC/pixel, {levels['maps']} bytes of maps"
        )
        lines += [_operation_line(op) for op in segment["operations"]]
    return lines


def _container_line(info: dict[str, Any]) -> str:
    """How the file is laid out."""
    parts = [counted(len(info["segments"]), "segment")]
    if info["common_programs"]:
        parts.append(counted(info["common_programs"], "common program"))
    parts.append("with an index" if info["indexed"] else "no index")
    hashed = info["frame_hashes"]
    parts.append(f"hashes of {counted(hashed, 'frame')}" if hashed else "hashes of segments alone")
    return f"  layout  {', '.join(parts)}"


def _clip_line(number: int, clip: dict[str, Any]) -> str:
    cut = f", from its frame {clip['start']} on" if clip["start"] else ""
    name = f"{clip['name']!r}" if clip["name"] else "without a name"
    return f"  clip {number} {name}: frames {clip['first']}:{clip['first'] + clip['frames']}{cut}"


def _metadata_lines(found: dict[str, Any]) -> list[str]:
    """`Metadata.as_dict` as text for people, a line each."""
    lines: list[str] = []
    if "encoder" in found:
        lines.append(f"encoder {found['encoder']}")
    if "frame_times" in found:
        times = found["frame_times"]
        tick = Fraction(times["tick_seconds"])
        ticks = sorted({run[0] for run in times["runs_of_ticks_and_frames"]})
        lengths = " to ".join(f"{float(value * tick) * 1000:.3f}" for value in dict.fromkeys((ticks[0], ticks[-1])))
        lines.append(
            f"frame times: frames last {lengths} ms, in ticks of {tick} s; the first is "
            f"{float(times['start_ticks'] * tick):.3f} s into the source"
        )
    if "mastering_display" in found:
        mastering = found["mastering_display"]
        names = ("red", "green", "blue", "white")
        places = "  ".join(f"{name} {mastering[name][0]:.5f}, {mastering[name][1]:.5f}" for name in names)
        lines.append(
            f"mastering display {places}  luminance {mastering['min_luminance_cd_m2']:g} to "
            f"{mastering['max_luminance_cd_m2']:g} cd/m2"
        )
    if "content_light_level" in found:
        level = found["content_light_level"]
        lines.append(f"content light level MaxCLL {level['max_cll_cd_m2']}, MaxFALL {level['max_fall_cd_m2']} cd/m2")
    if "display_matrix" in found:
        matrix = found["display_matrix"]
        mirrored = ", mirrored" if matrix["mirrored"] else ""
        values = " ".join(map(str, matrix["values"]))
        lines.append(f"display matrix rotation {matrix['rotation_degrees']} degrees{mirrored} ({values})")
    return lines


def _size(size: int | None) -> str:
    """The bytes of a tensor's own pieces."""
    return "in the common sequence" if size is None else f"{size:>8} B"


def _operation_line(op: dict[str, Any]) -> str:
    known = ("index", "operation", "inputs", "shape", "map_width", "frac", "tensors")
    fields = " ".join(f"{name}={value}" for name, value in op.items() if name not in known)
    shape = "x".join(map(str, op["shape"]))
    line = f"  {op['index']:>3} {op['operation']:<9} {fields:<58} -> {shape}"
    if "frac" in op:
        line += f"  map {op['map_width']} bit frac {op['frac']}"
    for tensor in op["tensors"]:
        extent = "x".join(map(str, tensor["shape"]))
        line += (
            f"\n        {tensor['name']:<7} {extent:<16} {tensor['bits']:>2} bits  "
            f"step index {tensor['step_index']:>4} a {tensor['step_sizes']:<7}  "
            f"{tensor['model']:<8} {_size(tensor['bytes'])}"
        )
        if tensor["hadamard"]:
            line += f"  hadamard, used at {tensor['hadamard']['used_width']} bits, gain {tensor['hadamard']['gain']}"
    return line
