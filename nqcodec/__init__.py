"""nqcodec: a standalone video codec on implicit neural representations, with exact integer decoding.

The Python API is the names below (docs/python.md). Each is imported when it is first used, so `import nqcodec` loads
neither torch nor numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nqcodec.version import __version__

if TYPE_CHECKING:
    from nqcodec.bitstream.file import NqFile
    from nqcodec.decoder.decoder import decode, probe
    from nqcodec.encoder.api import encode
    from nqcodec.encoder.report import EncodeReport
    from nqcodec.errors import NqError
    from nqcodec.media.colour import to_rgb
    from nqcodec.media.video import Chroma, Colour, Frame, Video

__all__ = [
    "Chroma",
    "Colour",
    "EncodeReport",
    "Frame",
    "NqError",
    "NqFile",
    "Video",
    "__version__",
    "decode",
    "encode",
    "probe",
    "to_rgb",
]

_HOMES = {
    "decode": "nqcodec.decoder.decoder",
    "encode": "nqcodec.encoder.api",
    "probe": "nqcodec.decoder.decoder",
    "to_rgb": "nqcodec.media.colour",
    "EncodeReport": "nqcodec.encoder.report",
    "NqError": "nqcodec.errors",
    "NqFile": "nqcodec.bitstream.file",
    "Chroma": "nqcodec.media.video",
    "Colour": "nqcodec.media.video",
    "Frame": "nqcodec.media.video",
    "Video": "nqcodec.media.video",
}
"""The module that defines each name."""


def __getattr__(name: str) -> Any:
    """A public name, imported at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
