"""Decoding under the name that its module had first: `from nqcodec.decode import Decoder, decode, probe`."""

from __future__ import annotations

import sys

from nqcodec.callable_module import CallableModule
from nqcodec.decoding import Decoder, decode, plane_md5, probe

__all__ = ["Decoder", "decode", "plane_md5", "probe"]

sys.modules[__name__].__class__ = CallableModule
