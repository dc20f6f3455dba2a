"""Encoding under the name that its module had first: `from nqcodec.encode import ClipJob, Output, encode_clips`."""

from __future__ import annotations

import sys

from nqcodec.api import encode
from nqcodec.callable_module import CallableModule
from nqcodec.encoding import ClipJob, EncodeSettings, Event, Output, encode_clips

__all__ = ["ClipJob", "EncodeSettings", "Event", "Output", "encode", "encode_clips"]

sys.modules[__name__].__class__ = CallableModule
