"""What analyses find, against cases with known answers and against the parts that they are made from."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.bitstream.file import read_file
from nqcodec.encoder.progress import Event
from nqcodec.errors import InputError
from nqcodec.methods.post_training.omega import Omega
from nqcodec.reporting.finding import Finding, Table, csv_text, embedded, read_findings
from nqcodec.reporting.fitcurve import CurveRecorder, fit_finding, fit_table
from nqcodec.reporting.frames import cell_means, error_table, frame_table, measure_frames
from nqcodec.reporting.landscape import (
    LandscapeSettings,
    float_frames,
    float_tensors,
    interactions,
    sensitivity,
    surface,
)
from nqcodec.reporting.tables import hessian_table, sensitivity_table, surface_table
from nqcodec.reporting.tensors import (
    BINS,
    TensorView,
    bits_by_layer,
    bits_table,
    block_hadamard,
    coded_views,
    float_views,
    histogram_table,
    histograms,
)
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.hadamard import hadamard
from nqcodec.training.losses import LOSSES, plane_errors, psnr
from nqcodec.training.network import FloatNetwork
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import fit


@pytest.fixture(scope="module")
def fitted() -> tuple[FloatNetwork, PackedClip]:
    """A network after some iterations, so that it is near no saddle."""
    video, frames = small_clip(frames=3)
    program = hnerv.build(video, video.frames, 2500)
    settings = FitSettings(60, dtype="float32")
    network, clip = new_network(program, video.frames, settings), pack(frames, video, program)
    fit(network, clip, settings)
    return network, clip


SMALL = LandscapeSettings(bits=(3, 5), probes=2, groups=20, grid=3, reach=0.2)


def test_the_transform_is_the_one_of_the_fit_and_its_own_inverse() -> None:
    weight = np.random.default_rng(0).normal(size=(4, 13, 3, 3))
    coefficients = block_hadamard(weight)
    assert coefficients == pytest.approx(hadamard(torch.from_numpy(weight), 1).numpy())
    assert block_hadamard(coefficients) == pytest.approx(weight)


def test_histograms_count_every_value_in_both_domains(sample: Path) -> None:
    views = coded_views(read_file(sample), 0)
    data = histograms(views, "sample", "step sizes").data
    assert any(set(tensor["domains"]) == {"spatial", "hadamard"} for tensor in data["tensors"])
    for view, tensor in zip(views, data["tensors"], strict=True):
        for found in tensor["domains"].values():
            assert np.sum(found["channels"]) == view.values.size
        zero = np.sum(tensor["domains"][tensor["coded"]]["channels"], axis=0)[BINS]
        if tensor["bin_width"] == 1:
            assert zero == np.count_nonzero(view.values == 0)
    table = histogram_table(data)
    assert all(len(row) == len(table.names) for row in table.rows)


def test_the_coded_domain_is_told_apart() -> None:
    """Of weights coded in the Hadamard domain the symbols are the coefficients, and what is used follows from them."""
    symbols = np.random.default_rng(2).integers(-3, 4, (6, 8, 1, 1)).astype(np.float64)
    view = TensorView("1 conv weight", "weight", symbols, "hadamard", block_hadamard(symbols), whole=True)
    (tensor,) = histograms([view], "x", "step sizes").data["tensors"]
    assert tensor["coded"] == "hadamard"
    coded = np.sum(tensor["domains"]["hadamard"]["channels"], axis=0)
    assert [coded[BINS + value] for value in range(-3, 4)] == [np.count_nonzero(symbols == v) for v in range(-3, 4)]
    shares = coded[coded > 0] / symbols.size
    assert tensor["entropy"] == pytest.approx(-np.sum(shares * np.log2(shares)))
    assert tensor["domains"]["spatial"]["std"] == pytest.approx(block_hadamard(symbols).std())


def test_what_tells_heavy_tails_from_a_gaussian(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    program, index = fitted[0].program, 2
    shape = program.tensors(index)["weight"]
    generator = np.random.default_rng(1)
    (gauss,), (heavy,) = (
        histograms(float_views(program, {(index, "weight"): values}), "x", "value").data["tensors"]
        for values in (generator.normal(size=shape), generator.standard_t(3, size=shape))
    )
    assert abs(gauss["domains"]["spatial"]["excess_kurtosis"]) < 0.5
    assert heavy["domains"]["spatial"]["excess_kurtosis"] > 2
    # Sums of many values are nearer to a Gaussian than the values are.
    before, after = (heavy["domains"][domain]["excess_kurtosis"] for domain in ("spatial", "hadamard"))
    assert after < before


def test_bytes_by_layer_sum_to_the_file(sample: Path) -> None:
    file = read_file(sample)
    data = bits_by_layer(file, "sample").data
    assert sum(row["bytes"] for row in data["tensors"]) + sum(data["rest"].values()) == sample.stat().st_size
    assert sum(row["values"] for row in data["tensors"]) == file.layout(0).program.parameters
    table = bits_table(data)
    assert sum(row[table.names.index("bytes")] for row in table.rows) == sample.stat().st_size


def test_cells_may_be_smaller_at_the_end() -> None:
    values = np.arange(35.0).reshape(5, 7)
    means = cell_means(values, 3)
    assert means.shape == (2, 3)
    assert means[0, 0] == values[:3, :3].mean()
    assert means[1, 2] == values[3:, 6:].mean()


def test_errors_are_where_the_pictures_differ() -> None:
    video, frames = small_clip(64, 48, frames=4)
    decoded = [tuple(plane.copy() for plane in frame) for frame in frames]
    decoded[2][0][40:, 60:] ^= 8
    psnr_, errors = measure_frames(frames, decoded, video, [0, 2], "x")
    luma = [row["y"] for row in psnr_.data["rows"]]
    assert luma.index(min(luma)) == 2
    assert luma[0] == 100
    worst = np.array(errors.data["frames"][2]["map"])
    assert worst[40:, 60:].min() == worst.max() == 8
    assert np.count_nonzero(worst) == 8 * 4
    assert np.array(errors.data["mean"])[44, 62] == pytest.approx(4)
    assert len(frame_table(psnr_.data).rows) == 4
    assert len(error_table(errors.data).rows) == worst.size


def test_interactions_are_those_of_omega(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    data = interactions(network, clip, SMALL, "x").data
    pairs = np.array(data["pairs"])
    assert pairs == pytest.approx(pairs.T)
    assert len(pairs) == len(data["groups"]) <= 20
    # Groups cut tensors without leaving anything out: their sum is Omega of everything rounded.
    rounded = {}
    for key, value in network.tensors.items():
        rounded[key] = torch.zeros_like(value)
    from nqcodec.reporting.landscape import _group_changes

    for key, change in _group_changes(network, SMALL)[0]:
        rounded[key] += change
    whole = Omega(network, clip, torch.tensor([0, 2]), "log-mse").of(rounded)
    assert data["all_sum"] == pytest.approx(whole, rel=1e-3)
    assert pairs.sum() == pytest.approx(data["all_sum"])
    assert hessian_table(data).rows[1][2] == pairs[1, 1]


def test_the_surface_has_the_solution_in_its_middle(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    data = surface(network, clip, SMALL, "x").data
    times = torch.tensor([0, 2])
    with torch.no_grad():
        errors = plane_errors(network(times), clip.batch(times), clip)
        loss, middle = LOSSES["log-mse"](errors, clip.weights), (psnr(errors, 8) @ clip.weights).mean()
    assert data["loss"][1][1] == pytest.approx(float(loss), rel=1e-4)
    assert data["psnr"][1][1] == pytest.approx(float(middle), rel=1e-4)
    around = [value for row in data["loss"] for value in row]
    assert min(around) == data["loss"][1][1]
    assert data == surface(network, clip, SMALL, "x").data
    assert [row[:2] for row in surface_table(data).rows[:2]] == [[-0.2, -0.2], [0.0, -0.2]]


def test_sensitivity_falls_with_bits(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    data = sensitivity(*fitted, SMALL, "x").data
    sums = np.sum([tensor["rise"] for tensor in data["tensors"]], axis=0)
    assert sums[0] > sums[1] > 0
    assert len(sensitivity_table(data).rows) == 2 * (len(data["tensors"]) + 1)


def test_float_frames_are_what_the_network_shows(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    _, originals = small_clip(frames=3)
    frames = list(float_frames(network, clip))
    assert [plane.shape for plane in frames[0]] == [plane.shape for plane in originals[0]]
    finding, _ = measure_frames(originals, frames, clip.video, [0], "x")
    with torch.no_grad():
        errors = plane_errors(network(torch.arange(3)), clip.batch(torch.arange(3)), clip)
    # Rounding to samples moves decibels a little.
    assert finding.data["means"]["yuv"] == pytest.approx(float((psnr(errors, 8) @ clip.weights).mean()), abs=0.1)
    assert {index for index, _ in float_tensors(network)} == {
        i for i, op in enumerate(network.program.operations) if network.program.tensors(i)
    }


def test_a_curve_holds_what_led_to_one_output() -> None:
    seen: list[Any] = []
    recorder = CurveRecorder(seen.append)
    figures = {"loss": -5.0, "lambda": 1e-6, "step_index op0_latent": -16.0}
    for stage, rate in (("fit", 1), ("further", 0), ("further", 2), ("finetune", None)):
        recorder(Event("a.mkv [1/2]", stage, 25, 100, psnr=30.0, size=900, rate=rate, figures=figures))
    recorder(Event("a.mkv", "read", text="a line"))
    recorder(Event("b.mkv", "fit", 25, 100))
    assert len(seen) == 6
    points = recorder.curve("a.mkv", 0)
    assert [(point.stage, point.rate) for point in points] == [("fit", 1), ("further", 0), ("finetune", None)]
    table = fit_table(fit_finding(points, "a").data)
    row = dict(zip(table.names, table.rows[0], strict=True))
    columns = ("iteration", "psnr", "size", "loss", "lambda", "step_index_op0_latent")
    assert [row[name] for name in columns] == [25, 30, 900, -5, 1e-6, -16]


def test_findings_are_read_from_files_folders_and_pages(tmp_path: Path) -> None:
    finding = Finding("fit", "a </script> b", {"points": []})
    page = tmp_path / "page.html"
    page.write_text(f"<html>{embedded([finding])}</html>", "utf-8")
    assert read_findings(page) == [finding]
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match="holds no numbers"):
        read_findings(tmp_path / "other.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_findings(tmp_path / "none.json")


def test_tables_are_csv() -> None:
    text = csv_text(Table(["a", "b,c"], [[1, 0.123456789], [None, "x"]]))
    assert list(csv.reader(io.StringIO(text))) == [["a", "b,c"], ["1", "0.123457"], ["", "x"]]
