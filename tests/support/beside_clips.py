"""Small clips that PyAV writes, with what a source may have beside its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from nqcodec.media.metadata import LightLevel, MasteringDisplay

SIZE = (32, 24)
VARYING = (0, 40, 120, 160, 290, 300)
"""Milliseconds."""
MASTERING = MasteringDisplay((34000, 16000), (13250, 34500), (7500, 3000), (15635, 16450), 10_000_000, 50)
LIGHT = LightLevel(1000, 400)
HDR = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"


def clip(
    path: Path,
    *,
    codec: str = "ffv1",
    pixels: str = "yuv420p",
    stamps: Sequence[int] = (0, 40, 80, 120, 160, 200),
    tick: Fraction = Fraction(1, 1000),
    rotation: int | None = None,
    audio: str = "",
    **options: str,
) -> Path:
    """Write frames with given time stamps in ticks, and a second of 48 kHz stereo audio where a codec is named."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(
            codec, rate=25, options={key.replace("_", "-"): v for key, v in options.items()}
        )
        stream.width, stream.height, stream.pix_fmt = *SIZE, pixels
        stream.codec_context.time_base = tick
        if rotation is not None:
            stream.set_display_rotation(rotation)
        sound: Any = container.add_stream(audio, rate=48000) if audio else None
        for number, stamp in enumerate(stamps):
            container.mux(stream.encode(picture(number, stamp, tick, pixels)))
        container.mux(stream.encode(None))
        if sound:
            for number in range(47):
                container.mux(sound.encode(samples(number, sound.format.name)))
            container.mux(sound.encode(None))
    return path


def picture(number: int, stamp: int, tick: Fraction, pixels: str) -> av.VideoFrame:
    """A frame that differs from the others."""
    frame = av.VideoFrame(*SIZE, pixels)
    for plane in frame.planes:
        view = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
        view[:] = (
            (np.arange(view.size) // 7 + 9 * number) % 4
            if "10" in pixels
            else (np.arange(view.size) + 9 * number) % 251
        )
    frame.pts, frame.time_base = stamp, tick
    return frame


def samples(number: int, layout: str) -> av.AudioFrame:
    """1024 samples of noise."""
    planar, dtype = layout.endswith("p"), np.float32 if layout.startswith("flt") else np.int16
    noise = np.random.default_rng(number).integers(-9000, 9000, (2, 1024))
    values = (noise / 32768 if dtype is np.float32 else noise).astype(dtype)
    frame = av.AudioFrame.from_ndarray(values if planar else values.T.reshape(1, -1), format=layout, layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 1024 * number, Fraction(1, 48000)
    return frame


def stamps_of(path: Path) -> list[Fraction]:
    """When each picture of a file is shown, in seconds from the first."""
    with av.open(str(path)) as container:
        shown = [Fraction(one.pts * one.time_base) for one in container.decode(video=0)]
    return [one - shown[0] for one in shown]


def audio_packets(path: Path) -> list[tuple[Fraction, bytes]]:
    """(seconds from the first picture, bytes) of each audio packet."""
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
    first = picture.pts * picture.time_base
    with av.open(str(path)) as container:
        packets = [one for one in container.demux(audio=0) if one.pts is not None]
        return [(Fraction(one.pts * one.time_base) - first, bytes(one)) for one in packets]
