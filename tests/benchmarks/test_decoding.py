"""The benchmarks of decoding: what they measure is there, and of the right kind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from emulated_cuda import compiler, emulated
from random_networks import random_network

from nqcodec.benchmarks import decoding as speed
from nqcodec.benchmarks.cases import CASES, Case, random_integers
from nqcodec.benchmarks.decoding import Rounds, compare, frame_rows
from nqcodec.benchmarks.results import read_result
from nqcodec.bitstream.file import read_file
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.writer import pack_file
from nqcodec.cli.nqdec import main as nqdec
from nqcodec.cli.nqtool import main as nqtool
from nqcodec.decoder.decoder import Decoder
from nqcodec.decoder.meter import Meter, dense_macs
from nqcodec.decoder.timing import bench_decode, bench_lines
from nqcodec.entropy.tensors import choose_model
from nqcodec.media.video import Video
from nqcodec.native.cpu import cpu_levels
from nqcodec.native.cpu_pinning import pinned_threads
from nqcodec.network.integer_network import validate
from nqcodec.network.program import Limits
from nqcodec.synthesis.native import NativeSynthesizer

needs_libnq = pytest.mark.skipif(not cpu_levels(), reason="libnq is not built")


@pytest.mark.parametrize("name", CASES)
def test_cases_are_legal_and_as_published(name: str) -> None:
    case = CASES[name]()
    case.program.check_limits(case.video, Limits())
    if name == "hnerv-0.75m":
        assert not any(each is None for each in [validate(random_integers(case.program))])


@needs_libnq
def test_maps_of_a_case_neither_vanish_nor_saturate() -> None:
    case = CASES["hnerv-0.75m"]()
    with NativeSynthesizer(random_integers(case.program), case.video, 4) as synthesizer:
        frame = synthesizer.frame(1)
    assert all(5 < plane.std() < 100 for plane in frame)


@needs_libnq
def test_shares_are_of_what_the_machine_was_measured_to_do() -> None:
    video = Video(64, 48, 4)
    network = random_network(np.random.default_rng(3), video)
    with NativeSynthesizer(network, video, 4) as synthesizer:
        meter = Meter(synthesizer, network.program, 1)
        for t in range(4):
            meter.frame(t)
        figures = meter.figures()
        assert figures["planned_bytes"] == synthesizer.planned_bytes > 0
    assert figures["frame_ms"]["runs"] == 4
    assert 0 < figures["peak_gmac_per_s"] < 1e5
    assert figures["share_of_peak"] > 0
    assert set(dense_macs(network.program)) <= set(range(len(network.program.operations)))


def test_a_file_is_timed_by_stage(sample: Path) -> None:
    result = bench_decode(read_file(sample), "native" if cpu_levels() else None, 1, (3, 6))
    for stage in ("parse_ms", "entropy_ms", "setup_ms", "frame_ms", "colour_ms", "output_ms", "memory", "yuv"):
        assert result[stage]["p10"] <= result[stage]["median"] <= result[stage]["p90"]
    assert result["frame_ms"]["runs"] == 3
    assert result["memory"]["fps"] == pytest.approx(3 / (result["memory"]["median"] / 1000))
    assert result["peak_rss_bytes"] > 1e7
    assert json.loads(json.dumps(result))["frames"] == 3
    assert any("file to .yuv" in line for line in bench_lines(result))


def test_the_reference_is_timed_too(sample: Path) -> None:
    result = bench_decode(read_file(sample), "reference", 1, (0, 1))
    assert "peak_gmac_per_s" not in result
    assert result["frame_ms"]["runs"] == 1
    assert any("fps of synthesis" in line for line in bench_lines(result))


def test_nqdec_bench_writes_json(sample: Path) -> None:
    done = CliRunner().invoke(nqdec, [str(sample), "--bench", "--frames", "0:2", "--json", "--low-memory"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["frames"] == 2


@needs_libnq
def test_rivals_are_run_in_turns() -> None:
    video = Video(33, 17, 4)
    network = random_network(np.random.default_rng(2), video)
    rivals = [("float32", False), ("bfloat16", False)]
    figures, times, failed = compare(network, video, 4, rivals, Rounds(1, 0.0, pinned=True))
    assert not failed
    for name in ("torch float32", "torch bfloat16"):
        assert len(times[name]) == figures["frame_ms"]["runs"] >= 3
    ours, *others = frame_rows("a", network, video, 4, rivals, Rounds(1, 0.0))
    assert [row["what"] for row in others] == ["torch float32", "torch bfloat16"]
    for row in others:
        assert row["ours_over_it"] == pytest.approx(row["ms"] / ours["ms"])
        assert row["ours_over_it_best"] == pytest.approx(row["least"] / ours["least"])


@needs_libnq
def test_a_rival_that_does_not_work_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no compiler\nand more")

    monkeypatch.setattr("nqcodec.benchmarks.torch_twin.torch_frames", broken)
    video = Video(33, 17, 4)
    network = random_network(np.random.default_rng(2), video)
    _, rival = frame_rows("a", network, video, 4, [("float32", True)], Rounds(1, 0.0))
    assert (rival["what"], rival["remark"]) == ("torch float32 compiled", "does not work: no compiler")


@needs_libnq
def test_a_file_is_compared_with_torch(sample: Path) -> None:
    done = CliRunner().invoke(
        nqtool, ["bench", "decode", "--file", str(sample), "--seconds", "0", "--threads", "1", "--json"]
    )
    assert done.exit_code == 0, done.output
    rows = {row["what"]: row for row in json.loads(done.stdout)["rows"]}
    assert {row["case"] for row in rows.values()} == {str(sample)}
    for what in ("nqcodec", "torch float32", "torch bfloat16", "file to memory", "file to .yuv"):
        assert rows[what]["fps"] > 0
    assert {"entropy decoding", "set-up"} < set(rows)


def test_an_interrupted_benchmark_keeps_what_it_has_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> Iterator[dict[str, Any]]:
        yield {"case": "pyramid", "fps": 1.0}
        raise KeyboardInterrupt

    monkeypatch.setattr("nqcodec.benchmarks.decoding._case_rows", interrupted)
    done = CliRunner().invoke(nqtool, ["bench", "decode", "--json", "--save", str(tmp_path / "out.json")])
    assert done.exit_code == 130
    (row,) = read_result(tmp_path / "out.json").rows
    assert (row["case"], row["fps"], row["ms"]) == ("pyramid", 1.0, None)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_pinned_threads_are_free_again() -> None:
    before = os.sched_getaffinity(0)
    with pinned_threads() as pinned:
        assert pinned == (len(before) > 1)
        assert len(os.sched_getaffinity(0)) == 1 or not pinned
    assert os.sched_getaffinity(0) == before


@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_the_device_benchmark_counts_and_times(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Emulated, so that only what is counted means anything; torch says why it does not take part."""
    monkeypatch.setattr("nqcodec.benchmarks.device.ceilings", lambda: (1e12, 1e9))
    video = Video(20, 12, 3)
    network = random_network(np.random.default_rng(5), video)
    path = tmp_path / "clip.nq"
    path.write_bytes(pack_file(video, [(3, pack_segment(network))]))
    with emulated():
        words = ["bench", "decode", "--device", "cuda", "--file", str(path), "--seconds", "0"]
        done = CliRunner().invoke(nqtool, [*words, "--json"])
        text = CliRunner().invoke(nqtool, [*words, "--no-torch"])
        timed = CliRunner().invoke(nqdec, [str(path), "--bench", "--backend", "cuda", "--no-verify"])
    assert done.exit_code == text.exit_code == timed.exit_code == 0, done.output + text.output + timed.output
    rows = {row["what"]: row for row in json.loads(done.stdout)["rows"]}
    ours = rows.pop("nqcodec")
    assert ours["fps"] > 0
    assert ours["host_fps"] > 0
    assert ours["remark"].startswith("batches of 3,")
    graph = rows["torch float16 graph"]
    assert (graph["remark"] or "").startswith("does not work") or torch.cuda.is_available()
    operations = [row for what, row in rows.items() if what.startswith("operation")]
    assert sum(row["macs"] for row in operations) > 0
    assert all(row["bytes"] > 0 and row["least_us"] > 0 for row in operations)
    assert "batches of 3" in text.output
    assert "torch" not in text.stdout.split("Frames are")[0]
    assert "fps in device memory, by batches of 3" in timed.output


@needs_libnq
def test_cases_code_their_latents_in_context_as_fitted_files_do() -> None:
    """What the shares of entropy decoding are of."""
    case = CASES["pyramid-light"]()
    network = random_integers(case.program)
    latents = [layer.tensors["latent"] for layer in network.layers if "latent" in layer.tensors]
    for latent in latents:
        some = latent.values[:4]
        assert choose_model(some, latent.bits, 1, latent.context).context is not None
        assert 0.5 < np.abs(some).mean() < 8
    assert sum(latent.values.size for latent in latents) > 1_000_000


@needs_libnq
def test_a_case_is_written_as_a_file_that_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = Video(64, 48, 3)
    network = random_network(np.random.default_rng(3), video)
    monkeypatch.setitem(CASES, "small", lambda: Case(video, network.program))
    monkeypatch.setattr(speed, "random_integers", lambda program: network)
    file = read_file(speed.write_case("small", tmp_path))
    assert len(list(Decoder(file).frames())) == 3
