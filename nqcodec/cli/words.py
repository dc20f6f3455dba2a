"""Words for what headers say in numbers: chroma formats, and the code points of ITU-T H.273."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from nqcodec.media.text import counted
from nqcodec.media.video import MATRIX_IDENTITY, Chroma

PRIMARIES = {
    1: "BT.709",
    2: "unspecified",
    4: "BT.470 M",
    5: "BT.470 BG",
    6: "SMPTE 170M",
    7: "SMPTE 240M",
    8: "film",
    9: "BT.2020",
    10: "SMPTE ST 428",
    11: "SMPTE RP 431 (DCI-P3)",
    12: "SMPTE EG 432 (Display P3)",
    22: "EBU Tech 3213",
}
TRANSFERS = {
    1: "BT.709",
    2: "unspecified",
    4: "BT.470 M",
    5: "BT.470 BG",
    6: "SMPTE 170M",
    7: "SMPTE 240M",
    8: "linear",
    9: "logarithmic 100:1",
    10: "logarithmic 316:1",
    11: "IEC 61966-2-4",
    12: "BT.1361",
    13: "sRGB",
    14: "BT.2020 10 bit",
    15: "BT.2020 12 bit",
    16: "PQ (SMPTE ST 2084)",
    17: "SMPTE ST 428",
    18: "HLG (ARIB STD-B67)",
}
MATRICES = {
    0: "RGB",
    1: "BT.709",
    2: "unspecified",
    4: "FCC",
    5: "BT.470 BG",
    6: "SMPTE 170M",
    7: "SMPTE 240M",
    8: "YCgCo",
    9: "BT.2020",
    10: "BT.2020 constant luminance",
    11: "SMPTE ST 2085",
    12: "derived from primaries",
    13: "derived from primaries, constant luminance",
    14: "ICtCp",
}
CHROMA_LOCATIONS = ("left", "centre", "top left", "top", "bottom left", "bottom")
"""Of chroma_sample_loc_type 0 to 5, which is defined for 4:2:0 alone."""


def video_lines(fields: dict[str, Any]) -> list[str]:
    """Lines for a video's header fields, by name as `nqdec --info --json` has them."""
    fps = Fraction(fields["fps_num"], fields["fps_den"])
    sar = Fraction(fields["sar_num"], fields["sar_den"])
    shape = "square pixels" if sar == 1 else f"pixel aspect {sar.numerator}:{sar.denominator}"
    return [
        f"  video   {fields['width']}x{fields['height']}, {_layout(fields)}, {fields['depth']} bit, "
        f"{counted(fields['frames'], 'frame')} at {fps} fps, {shape}",
        f"  colour  {colour_words(fields)}",
    ]


def colour_words(fields: dict[str, Any]) -> str:
    """Colour description, range, and where chroma samples lie."""
    parts = {
        "primaries": _named(PRIMARIES, fields["primaries"]),
        "transfer": _named(TRANSFERS, fields["transfer"]),
        "matrix": _named(MATRICES, fields["matrix"]),
    }
    alike = len(set(parts.values())) == 1
    words = [parts["matrix"]] if alike else [f"{name} {value}" for name, value in parts.items()]
    words.append("full range" if fields["full_range"] else "limited range")
    if fields["chroma"] == Chroma.C420:
        words.append(f"chroma {CHROMA_LOCATIONS[fields['chroma_location']]}")
    return ", ".join(words)


def _layout(fields: dict[str, Any]) -> str:
    is_rgb = fields["chroma"] == Chroma.C444 and fields["matrix"] == MATRIX_IDENTITY
    return "RGB" if is_rgb else Chroma(fields["chroma"]).label


def _named(names: dict[int, str], code: int) -> str:
    return names.get(code, f"code {code}")
