"""nqcodec: a standalone video codec on implicit neural representations, with exact integer decoding."""

from nqcodec.version import __version__

__all__ = ["__version__"]
