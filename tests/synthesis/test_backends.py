"""Choosing a backend, the environment, and what happens to those that are absent or misused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from random_networks import random_network

from nqcodec.errors import UnsupportedError
from nqcodec.media.video import Video
from nqcodec.native import cpu
from nqcodec.native.cpu import cpu_levels
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.synthesis import backends, cuda, native
from nqcodec.synthesis.native import NativeSynthesizer
from nqcodec.synthesis.reference import ReferenceSynthesizer

VIDEO = Video(9, 5, 3)
needs_libnq = pytest.mark.skipif(not cpu_levels(), reason="libnq is not built")


@pytest.fixture
def network() -> IntegerNetwork:
    """A legal network for `VIDEO`."""
    return random_network(np.random.default_rng(0), VIDEO)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NQCODEC_BACKEND", "NQCODEC_CPU"):
        monkeypatch.delenv(name, raising=False)


def absent(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Pretend that backends are absent."""
    real = backends._why_absent
    monkeypatch.setattr(backends, "_why_absent", lambda name: "not here" if name in names else real(name))


def test_the_reference_is_always_there_and_every_absence_has_a_reason() -> None:
    present = backends.available()
    assert tuple(present) == backends.BACKENDS
    assert present["reference"] == ""
    assert present["native"] == "" or "libnq" in present["native"]


def test_the_best_present_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "cuda", "native")
    assert backends.choose() == "reference"
    monkeypatch.setattr(backends, "_why_absent", lambda _: "")
    assert backends.choose() == "cuda"


def test_a_name_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NQCODEC_BACKEND", "reference")
    assert backends.choose() == "reference"
    monkeypatch.setenv("NQCODEC_BACKEND", "nonsense")
    assert backends.choose("reference") == "reference"
    with pytest.raises(UnsupportedError, match="'nonsense' does not exist; there are cuda, native, reference"):
        backends.choose()


def test_an_absent_backend_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch, "native")
    with pytest.raises(UnsupportedError, match="backend native: not here"):
        backends.choose("native")


def test_without_libraries_only_the_reference_opens(monkeypatch: pytest.MonkeyPatch, network: IntegerNetwork) -> None:
    monkeypatch.setattr(native, "load_libnq", lambda: None)
    monkeypatch.setattr(cpu, "load_libnq", lambda: None)
    monkeypatch.setattr(native, "why_absent", lambda _: "libnq was not built")
    monkeypatch.setattr(cuda, "load_libnq_cuda", lambda: None)
    assert cpu_levels() == ()
    with pytest.raises(UnsupportedError, match="backend native: libnq was not built"):
        NativeSynthesizer(network, VIDEO, 3)
    with pytest.raises(UnsupportedError, match="backend cuda"):
        cuda.CudaSynthesizer(network, VIDEO, 3)
    with backends.open_synthesizer(network, VIDEO, 3, "reference") as synthesizer:
        assert [plane.shape for plane in synthesizer.frame(2)] == [(5, 9), (3, 5), (3, 5)]


@needs_libnq
def test_the_environment_names_the_cpu_level(monkeypatch: pytest.MonkeyPatch, network: IntegerNetwork) -> None:
    asked: list[str | None] = []
    real = NativeSynthesizer.__init__

    def record(self: NativeSynthesizer, *args: object, cpu: str | None = None, bands: int = 1) -> None:
        asked.append(cpu)
        real(self, *args, cpu=cpu)  # type: ignore[arg-type]

    monkeypatch.setattr(NativeSynthesizer, "__init__", record)
    monkeypatch.setenv("NQCODEC_CPU", "scalar")
    backends.open_synthesizer(network, VIDEO, 3, "native", 1).close()
    monkeypatch.setenv("NQCODEC_CPU", "")
    backends.open_synthesizer(network, VIDEO, 3, "native", 1).close()
    monkeypatch.setenv("NQCODEC_CPU", "mmx")
    with pytest.raises(UnsupportedError, match=r"'mmx' is not one of this machine's: scalar"):
        backends.open_synthesizer(network, VIDEO, 3, "native", 1)
    assert asked == ["scalar", None, "mmx"]


@needs_libnq
def test_frames_planes_and_handles_are_checked(network: IntegerNetwork) -> None:
    synthesizer = NativeSynthesizer(network, VIDEO, 3)
    for t in (-1, 3, 1 << 40):
        with pytest.raises(ValueError, match=f"frame {t}"):
            synthesizer.frame(t)
    planes = [np.zeros(shape, np.uint8) for shape in VIDEO.plane_shapes]
    with pytest.raises(ValueError, match="instead of"):
        synthesizer.frame_into(0, planes[:1])
    with pytest.raises(ValueError, match="contiguous rows"):
        synthesizer.frame_into(0, [plane.astype(np.uint16) for plane in planes])
    with pytest.raises(ValueError, match="contiguous rows"):
        synthesizer.frame_into(0, [np.zeros(shape[::-1], np.uint8).T for shape in VIDEO.plane_shapes])
    synthesizer.close()
    synthesizer.close()
    with pytest.raises(ValueError, match="closed"):
        synthesizer.frame(0)


def test_synthesis_imports_nothing_heavy() -> None:
    code = (
        "import sys; import nqcodec.synthesis.backends;"
        "sys.exit(' '.join({'torch', 'torchac', 'av', 'imageio'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_reference_and_protocol_agree(network: IntegerNetwork) -> None:
    synthesizer: backends.Synthesizer = ReferenceSynthesizer(network, VIDEO, 3)
    with synthesizer as opened:
        assert opened is synthesizer
