"""A forecast of the PSNR that a fit ends with."""

from __future__ import annotations

from dataclasses import dataclass, field

START = 0.5
"""Part of the iterations before which the rise of the PSNR says too little of what is still to come."""

SPAN, WIDTH = 0.15, 0.03
"""Parts of the iterations over which the rise is measured, and the PSNR averaged: the frames of a single look are few,
and their PSNR differs by tenths of a decibel from that of all frames."""

RISE_FLOOR = 0.1
"""The PSNR rises by parts of the iterations as `RISE_FLOOR` + (1 - done)^2 does. In fits of three clips with the
presets `ultrafast` and `fast`, forecasts by that were within 0.2 dB from six tenths of the iterations on."""


@dataclass
class PsnrForecast:
    """Predicts the PSNR that a fit ends with by how it has risen until now.

    Attributes:
        seen: (part of the iterations taken, PSNR-YUV in dB) at each look.
    """

    seen: list[tuple[float, float]] = field(default_factory=list)

    def add(self, done: float, psnr: float) -> None:
        """Enter a look."""
        self.seen.append((done, psnr))

    def end(self) -> float | None:
        """PSNR-YUV in dB at the end of the fit; None as long as that cannot be said."""
        if not self.seen or self.seen[-1][0] < START:
            return None
        done = self.seen[-1][0]
        now, before = self._mean(done), self._mean(done - SPAN)
        if now is None or before is None:
            return None
        left = max(0.0, 1 - (done - WIDTH / 2))
        risen = SPAN * (RISE_FLOOR + (left + SPAN / 2) ** 2)
        return now + max(0.0, now - before) * (RISE_FLOOR * left + left**3 / 3) / risen

    def _mean(self, until: float) -> float | None:
        """Mean PSNR-YUV of the looks in the last `WIDTH` before a part of the iterations, at least the nearest one."""
        earlier = [(done, psnr) for done, psnr in self.seen if done <= until + 1e-9]
        if not earlier:
            return None
        found = [psnr for done, psnr in earlier if done > until - WIDTH] or [earlier[-1][1]]
        return sum(found) / len(found)
