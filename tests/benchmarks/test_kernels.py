"""Every kernel against the reference, alone and between protected pages; and that the harness finds what it should."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from random_networks import random_network, random_video

from nqcodec.benchmarks.guarded import GuardedArray, guarded_copy
from nqcodec.benchmarks.kernel_cases import KERNELS, PLANES, kernel_case, widened
from nqcodec.benchmarks.kernels import Operation, check_case, expected_outputs, run
from nqcodec.cli.nqtool import main
from nqcodec.native.cpu import synthesis_levels
from nqcodec.network.operations import OPERATIONS
from nqcodec.synthesis.native import NativeSynthesizer, OptionFlag
from nqcodec.synthesis.reference import ReferenceSynthesizer

pytestmark = pytest.mark.skipif(not synthesis_levels(), reason="libnq is not built")


@pytest.mark.parametrize("name", [*KERNELS, PLANES])
def test_every_kernel_is_exact(name: str) -> None:
    rng = np.random.default_rng([5, *name.encode()])
    for _ in range(8):
        case = kernel_case(name, rng)
        assert not check_case(case, synthesis_levels())
        assert not check_case(widened(case), synthesis_levels())


def test_a_wrong_value_is_found() -> None:
    case = kernel_case("add", np.random.default_rng(0))
    operation, expected = Operation(case), expected_outputs(case)
    operation.run("scalar")
    assert operation.difference(expected) == ""
    operation.outputs[0].array[0, 0, 0] += 1
    assert "1 values differ" in operation.difference(expected)


def test_a_write_before_an_array_is_found() -> None:
    guarded = guarded_copy(np.arange(5, dtype=np.int16))
    assert guarded.is_whole
    assert guarded.array.tolist() == [0, 1, 2, 3, 4]
    guarded._canary[-1] = 0
    assert not guarded.is_whole


@pytest.mark.parametrize("access", ["ctypes.c_int16.from_address(end).value", "ctypes.memset(end, 0, 1)"])
def test_an_access_past_an_array_stops_the_process(access: str) -> None:
    code = (
        "import ctypes; from nqcodec.benchmarks.guarded import GuardedArray; x = GuardedArray((3, 5), 'i2');"
        f"end = x.array.ctypes.data + x.array.nbytes; print('ready', flush=True); {access}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert done.stdout == b"ready\n"
    assert done.returncode < 0


def test_guarded_arrays_come_and_go() -> None:
    for size in range(1, 40):
        assert GuardedArray((size, 100), np.int16).array.size == 100 * size


@pytest.mark.parametrize("seed", range(12))
def test_strips_bands_and_whole_maps_give_the_same_frame(seed: int) -> None:
    """Fused and unfused, in any number of bands, on any number of threads, between protected pages."""
    rng = np.random.default_rng([seed, 9])
    video = random_video(rng)
    network = random_network(rng, video)
    expected = ReferenceSynthesizer(network, video, video.frames).frame(video.frames - 1)
    for bands in (1, 2, 5, 1000):
        for flags in (OptionFlag.GUARDED, OptionFlag.GUARDED | OptionFlag.UNFUSED):
            threads = int(rng.integers(1, 4))
            with NativeSynthesizer(network, video, video.frames, threads, bands=bands, flags=flags) as synthesizer:
                frame = synthesizer.frame(video.frames - 1)
            assert all(np.array_equal(a, b) for a, b in zip(frame, expected, strict=True)), (bands, flags, threads)


def test_the_command_reports_and_times() -> None:
    done = CliRunner().invoke(main, ["bench", "kernels", "--rounds", "2", "--only", "norm", "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["kernel"], row["cases"], row["wrong"]) == ("norm", 3, 0)
    assert all(row[level] > 0 for level in synthesis_levels())


def test_the_command_fails_for_a_wrong_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nqcodec.benchmarks.kernels.check_case", lambda case, levels: ["scalar: differs"])
    (row,) = run(1, 0, "add", with_times=False).result().rows
    assert (row["wrong"], row["first_wrong"]) == (1, "scalar: differs")
    done = CliRunner().invoke(main, ["bench", "kernels", "--rounds", "1", "--only", "add", "--no-time"])
    assert done.exit_code == 1
    assert "scalar: differs" in done.stdout


def test_the_command_times_the_warp_of_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nqcodec.benchmarks.float_warps.SHAPES", ((2, 1, 8, 9), (1, 3, 6, 5)))
    done = CliRunner().invoke(main, ["bench", "kernels", "--fit", "--rounds", "2", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert [row["maps"] for row in rows] == ["2x1x8x9", "1x3x6x5"]
    times = ("torch", "libnq", "torch_gradients", "libnq_gradients")
    assert all(row[name] > 0 for row in rows for name in times)


def test_no_operation_is_left_out() -> None:
    cases = [kernel_case(name, np.random.default_rng(0)) for name in KERNELS]
    tried = {case.network.program.operations[case.index].name for case in cases}
    assert tried | {"planes"} == {operation.name for operation in OPERATIONS.values()}
