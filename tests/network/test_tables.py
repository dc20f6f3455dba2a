"""The shipped tables: what their generator gives, what the specification says of them, and what altered ones do."""

import json
import math
import re

import numpy as np
import pytest

from nqcodec.errors import NqError
from nqcodec.formats import make_tables
from nqcodec.network import tables

SHIPPED = tables.FORMATS / "tables"


@pytest.mark.parametrize("name", ["gaussian", "logistic", "activations", "sine"])
def test_generator_gives_the_shipped_files(tmp_path, name):
    make_tables.write(tmp_path)
    assert (tmp_path / f"{name}.json").read_bytes() == (SHIPPED / f"{name}.json").read_bytes()


def test_specification_names_the_hashes_that_the_loader_checks():
    named = set(re.findall(r"[0-9a-f]{64}", (tables.FORMATS / "nq.md").read_text()))
    checked = {tables.GAUSSIAN_SHA256, tables.LOGISTIC_SHA256, tables.ACTIVATIONS_SHA256, tables.SINE_SHA256}
    assert checked <= named


@pytest.mark.parametrize("row", range(32))
def test_gaussian_row(row):
    sigma = 2 ** ((row - 12) / 4)
    width = int(tables.gaussian().half_width[row])
    assert width == min(127, max(2, math.ceil(6 * sigma - 1e-9)))
    cumulative = tables.gaussian().cumulative[row]
    frequencies = np.diff(cumulative[: 2 * width + 3])
    assert cumulative[0] == 0
    assert set(cumulative[2 * width + 2 :].tolist()) == {65536}
    assert frequencies.min() >= 1
    body = frequencies[:-1]
    assert np.array_equal(body, body[::-1])
    edges = [math.erf((h - 0.5) / sigma / math.sqrt(2)) / 2 for h in range(-width, width + 2)]
    exact = 65536 * np.diff(edges)
    # Beside rounding, only the floor of 1 in the tails moves mass, and in proportion.
    assert np.all(np.abs(body - exact) <= 0.01 * exact + 10)
    assert np.all(np.diff(body[width + 1 :]) <= 0)


@pytest.mark.parametrize("row", range(32))
@pytest.mark.parametrize("phase", range(5))
def test_logistic_row(row, phase):
    sigma = 2 ** ((row - 16) / 4)
    width = int(tables.logistic().half_width[5 * row + phase])
    assert width == max(4, math.ceil(6.5 * sigma - 1e-9))
    cumulative = tables.logistic().cumulative[5 * row + phase]
    frequencies = np.diff(cumulative[: 2 * width + 3])
    assert cumulative[0] == 0
    assert set(cumulative[2 * width + 2 :].tolist()) == {65536}
    assert frequencies.min() >= 1
    h = np.arange(-width, width + 1)
    edges = np.append(h - 0.5, width + 0.5) - phase / 8
    exact = 65536 * np.diff(0.5 + 0.5 * np.tanh(edges * math.pi / math.sqrt(12) / sigma))
    body = frequencies[:-1]
    # Beside rounding, only the floor of 1 in the tails moves mass, and in proportion.
    assert np.all(np.abs(body - exact) <= 0.003 * exact + 10)
    if sigma > 0.6:
        mean = (body * h).sum() / body.sum()
        deviation = math.sqrt((body * (h - mean) ** 2).sum() / body.sum())
        assert mean == pytest.approx(phase / 8, abs=0.01)
        # Integrating over unit intervals adds their own variance, 1/12.
        assert deviation == pytest.approx(math.sqrt(sigma**2 + 1 / 12), rel=0.02)


def test_activation_tables_against_floating_point():
    x = np.arange(-2048, 2048) / 256
    erf = np.array([math.erf(v / math.sqrt(2)) for v in x])
    expected = {"gelu": 16384 * (1 + erf), "silu": 32768 / (1 + np.exp(-x)), "half_tanh": 16384 * np.tanh(x)}
    for name, exact in expected.items():
        table = getattr(tables.activations(), name)
        assert table.shape == (4096,)
        assert table.dtype == np.int32
        assert np.all(np.abs(table - np.minimum(exact, 32767)) <= 0.5 + 1e-6)
        assert np.all(np.diff(table) >= 0)


def test_sine_table_against_floating_point_and_its_symmetries():
    table = tables.sine()
    exact = [32768 * math.sin(2 * math.pi * i / 4096) for i in range(4096)]
    assert np.all(np.abs(table - exact) <= 0.5 + 1e-6)
    assert np.array_equal(table[2048:], -table[:2048])
    assert np.array_equal(table[1:2048], table[2047:0:-1])


def test_tables_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        tables.sine()[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        tables.gaussian().cumulative[0, 0] = 1


def test_rounding_refuses_what_it_cannot_decide():
    half = make_tables.Decimal("7.5")
    assert make_tables.round_exactly(half) == 8
    with pytest.raises(ArithmeticError):
        make_tables.round_exactly(half - make_tables.Decimal("1e-40"))


@pytest.fixture
def installed_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "tables").mkdir()
    for path in SHIPPED.glob("*.json"):
        (tmp_path / "tables" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(tables, "FORMATS", tmp_path)
    readers = (tables.gaussian, tables.logistic, tables.activations, tables.sine)
    for reader in readers:
        reader.cache_clear()
    yield tmp_path / "tables"
    for reader in readers:
        reader.cache_clear()


def test_an_altered_table_is_refused(installed_elsewhere):
    assert tables.gaussian().half_width[0] == 2
    content = json.loads((installed_elsewhere / "gaussian.json").read_text())
    content["frequencies"][7][3] += 1
    (installed_elsewhere / "gaussian.json").write_text(json.dumps(content))
    tables.gaussian.cache_clear()
    with pytest.raises(NqError, match=r"gaussian\.json is not the table"):
        tables.gaussian()


def test_an_altered_sine_is_refused(installed_elsewhere):
    content = json.loads((installed_elsewhere / "sine.json").read_text())
    content["sine"][1] = 51
    (installed_elsewhere / "sine.json").write_text(json.dumps(content))
    with pytest.raises(NqError, match=r"sine\.json is not the table"):
        tables.sine()


def test_a_missing_table_is_named(installed_elsewhere):
    (installed_elsewhere / "activations.json").unlink()
    with pytest.raises(NqError, match=r"activations\.json: cannot be read"):
        tables.activations()
