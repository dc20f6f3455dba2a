"""The package's version; the file format has its own in `nqcodec.bitstream`."""

__version__ = "0.1.0"
