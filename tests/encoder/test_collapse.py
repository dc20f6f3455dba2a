"""A file that shows less than its fit ended with is made again once, and reported if it stays so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from formats_clips import write
from rateaware_cases import crop

from nqcodec.cli.nqenc import main
from nqcodec.encoder import segment_rate_aware as segment_rateaware
from nqcodec.encoder.encode import encode
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.segment_result import COLLAPSE
from nqcodec.media.clip import ClipInput
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.training.presets import RATE_AWARE_PRESETS, Preset

QUICK = EncodeSettings(preset="ultrafast", threads=1, iterations=60)


@pytest.fixture
def clip(tmp_path: Path) -> ClipInput:
    """Two real frames of 48 x 32."""
    video, frames = crop(48, 32, 2)
    path = tmp_path / "real.y4m"
    write(path, video, frames)
    return ClipInput(str(path))


@pytest.fixture
def spoiled(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Fits whose first networks, as many as "left" counts, lose the values of their latents."""
    count, original = Counter[str](), segment_rateaware.fit_for

    def fit(*positional: object, **named: object) -> IntegerNetwork:
        network = original(*positional, **named)  # type: ignore[arg-type]
        if count["left"]:
            count["left"] -= 1
            for layer in network.layers:
                if latent := layer.tensors.get("latent"):
                    layer.tensors["latent"] = replace(latent, values=0 * latent.values)
        return network

    monkeypatch.setattr(segment_rateaware, "fit_for", fit)
    return count


def test_a_good_file_is_made_once(clip: ClipInput, tmp_path: Path) -> None:
    report = encode(clip, tmp_path / "out.nq", Rate(bpp=2.0), QUICK)
    assert report.fit_psnr == pytest.approx(report.psnr["yuv"], abs=COLLAPSE)
    assert "again" not in report.seconds
    assert report.warnings == []


def test_a_spoiled_file_is_made_again(clip: ClipInput, spoiled: Counter[str], tmp_path: Path) -> None:
    spoiled["left"] = 1
    report = encode(clip, tmp_path / "out.nq", Rate(bpp=2.0), QUICK)
    assert report.seconds["again"] > 0
    assert report.decisions == [{"first": 0, "trial": None, "motion": None}]
    assert report.psnr["yuv"] > report.fit_psnr - COLLAPSE
    assert report.warnings == []


def test_what_stays_spoiled_is_reported(
    clip: ClipInput, spoiled: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled["left"] = 3
    monkeypatch.setitem(RATE_AWARE_PRESETS, "ultrafast", Preset(1, 60))
    words = [clip.path, "--bpp", "2", "--preset", "ultrafast", "--threads", "1", "-o", str(tmp_path / "out.nq")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert spoiled["left"] == 1, "made again once, not more"
    warning = next(line for line in done.stderr.splitlines() if "warning" in line)
    assert "real.y4m: warning: the file decodes at" in warning
    assert "--seed" in warning
