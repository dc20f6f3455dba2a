"""Tensors: the model chosen, the size it gives, pieces in any coder and backend, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest
from coded_values import decode_values

from nqcodec.benchmarks import entropy as bench
from nqcodec.entropy import costs, lists, native, tensors
from nqcodec.entropy.tensors import BACKENDS, CODERS, PIECE_SYMBOLS, TensorModel
from nqcodec.errors import UnsupportedError

needs_native = pytest.mark.skipif(not native.available(), reason="libnq was not built")


def clipped(values, bits: int) -> np.ndarray:
    return np.clip(np.rint(values), -(1 << (bits - 1)), (1 << (bits - 1)) - 1).astype(np.int32)


def coded_bits(values, bits, axis, model=None) -> int:
    model = model or tensors.choose_model(values, bits, axis)
    return 8 * sum(map(len, tensors.encode_values(values, bits, model, axis)))


def weights(rng, sigma, count=20000):
    return clipped(rng.normal(0, sigma, count), 8).reshape(50, -1, 1, 1)


def latents(rng, scale, count=20000, bits=8):
    return clipped(rng.laplace(0, scale, count), bits).reshape(2, -1, 10, 20)


def sparse(rng):
    shape = (2, 300, 10, 20)
    return clipped((rng.random(shape) < 0.1) * rng.normal(0, 3, shape), 4)


SOURCES = {
    **{f"normal {s}": (lambda rng, s=s: weights(rng, s), 8, 0) for s in (0.3, 0.5, 1, 2, 5, 10, 20, 40)},
    **{f"normal {s}, 10,000": (lambda rng, s=s: weights(rng, s, 10000), 8, 0) for s in (0.3, 3, 40)},
    **{f"laplace {s}": (lambda rng, s=s: latents(rng, s), 8, 1) for s in (0.2, 0.5, 1, 3, 10)},
    **{f"laplace {s}, 10,000": (lambda rng, s=s: latents(rng, s, 10000), 8, 1) for s in (0.3, 2)},
    "laplace in 6 bits": (lambda rng: latents(rng, 3, bits=6), 6, 1),
    "sparse signs": (lambda rng: rng.choice([-1, 0, 1], (2, 50, 10, 20), p=[0.02, 0.96, 0.02]).astype(np.int32), 2, 1),
    "sparse small": (sparse, 4, 1),
    "140,000 symbols": (lambda rng: latents(rng, 1.5, 140000), 8, 1),
}


@pytest.mark.parametrize("name", SOURCES)
def test_chosen_model_is_near_the_entropy(name):
    make, bits, axis = SOURCES[name]
    values = make(np.random.default_rng(len(name)))
    assert values.size >= 10000
    model = tensors.choose_model(values, bits, axis)
    size = coded_bits(values, bits, axis, model)
    assert size <= 1.015 * costs.empirical_bits(values)
    pieces = -(-values.size // PIECE_SYMBOLS)
    assert size <= 1.005 * tensors.model_bits(values, bits, model, axis) + 24 * pieces
    assert tensors.estimate_bits(values, bits, axis) == pytest.approx(size + 8 * (5 + pieces), rel=0.02)


def test_channels_of_different_scale_get_their_own():
    rng = np.random.default_rng(1)
    sigmas = 2 ** rng.uniform(0, 5, 40)
    values = clipped(rng.normal(0, 1, (40, 20, 3, 3)) * sigmas[:, None, None, None], 8)
    model = tensors.choose_model(values, 8, 0)
    assert model.scales is not None
    assert np.abs(model.scales - (12 + 4 * np.log2(sigmas))).max() <= 2
    scales = np.full(40, model.scale_scale, np.uint8)
    side = b"".join(lists.code_sequence(model.scales - model.scale, scales))
    one = TensorModel(False, 0, costs.best_scale(costs.Histogram.of(values, None).bits_by_scale(0))[0])
    assert coded_bits(values, 8, 0, model) + 8 * len(side) < 0.95 * coded_bits(values, 8, 0, one)


def test_choice_is_the_smallest_of_real_files():
    rng = np.random.default_rng(2)
    drift = np.repeat(2.0 ** rng.uniform(-2, 4, 30), 400).reshape(1, 30, 20, 20)
    for values in (weights(rng, 6), latents(rng, 1), clipped(rng.laplace(0, 1, drift.shape) * drift, 8)):
        chosen = coded_bits(values, 8, 1)
        others = [TensorModel(True)] + [TensorModel(False, m, s) for m in (0, 1) for s in range(4, 34)]
        assert chosen <= min(coded_bits(values, 8, 1, other) for other in others) + 32


def test_offset_follows_the_mean():
    values = clipped(np.random.default_rng(3).normal(-700, 9, (30, 40, 1, 1)), 12)
    model = tensors.choose_model(values, 12, 0)
    assert abs(model.offset + 700) <= 1
    assert not model.adaptive


MODELS = {
    "one scale": TensorModel(False, -3, 21),
    "wide scale": TensorModel(False, 2, 41),
    "scale a channel": TensorModel(False, 0, 20, np.arange(12, 35, dtype=np.int32), 9),
    "adaptive": TensorModel(True),
}


@needs_native
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("axis", [0, 1])
def test_every_coder_and_backend_agrees_across_pieces(name, axis, monkeypatch):
    monkeypatch.setattr(tensors, "PIECE_SYMBOLS", 2000)
    model = MODELS[name]
    shape = (23, 1, 18, 12) if axis == 0 else (2, 23, 9, 12)
    values = clipped(np.random.default_rng(4).normal(0, 9, shape), 8)
    coded = {coder: tensors.encode_values(values, 8, model, axis, coder) for coder in CODERS}
    assert coded["native"] == coded["python"] == coded["torchac"]
    assert len(coded["native"]) == 3
    for backend in BACKENDS:
        for threads in (1, 3):
            decoded = decode_values(coded["native"], shape, 8, model, axis, backend, threads)
            assert decoded.dtype == np.int32
            assert np.array_equal(decoded, values)


@needs_native
@pytest.mark.parametrize(("count", "pieces"), [(1, 1), (65536, 1), (65537, 2), (131073, 3)])
def test_pieces_have_65536_values(count, pieces):
    values = (np.arange(count, dtype=np.int32) % 5).reshape(1, count)
    coded = tensors.encode_values(values, 4, TensorModel(False, 2, 13), 1)
    assert len(coded) == pieces
    assert np.array_equal(decode_values(coded, values.shape, 4, TensorModel(False, 2, 13), 1), values)


def test_python_serves_where_libnq_is_missing(monkeypatch):
    values = latents(np.random.default_rng(5), 2, 2000)
    step_indices = np.array([0, -3, 5, 200, -320], np.int32)
    scales = np.array([3, 10, 20, 63, 40], np.uint8)
    expected = [tensors.choose_model(values, 8, 1), coded_bits(values, 8, 1), lists.code_sequence(step_indices, scales)]
    monkeypatch.setattr(native, "load_libnq", lambda: None)
    native._library.cache_clear()
    try:
        assert tensors.default_coder() == "python"
        model = tensors.choose_model(values, 8, 1)
        assert model.adaptive == expected[0].adaptive
        assert coded_bits(values, 8, 1, model) == expected[1]
        pieces = tensors.encode_values(values, 8, model, 1)
        assert np.array_equal(decode_values(pieces, values.shape, 8, model, 1), values)
        data = lists.code_sequence(step_indices, scales)
        assert data == expected[2]
        assert lists.decode_sequence(data, scales).tolist() == step_indices.tolist()
        with pytest.raises(UnsupportedError, match="libnq"):
            tensors.encode_values(values, 8, model, 1, "native")
    finally:
        native._library.cache_clear()


@pytest.mark.parametrize("entries", [[0], [0] * 500, [3, -2, 1, 0, 0, -1], [640, -640, 0], list(range(-63, 64))])
def test_side_lists(entries):
    values = np.array(entries, np.int32)
    sizes = []
    for scale in range(64):
        (piece,) = lists.code_sequence(values, np.full(values.size, scale, np.uint8))
        sizes.append(len(piece))
    assert sizes[lists.list_scale(values)] == min(sizes)
    assert lists.list_bits(values) <= 8 * min(sizes) <= lists.list_bits(values) + 16


@needs_native
def test_common_sequences_round_trip_by_every_coder(monkeypatch):
    """Values of many scales, more than a piece holds."""
    rng = np.random.default_rng(6)
    scales = rng.integers(0, 64, 70_000).astype(np.uint8)
    values = np.rint(rng.normal(0, 1, scales.size) * 2.0 ** ((scales - 12.0) / 4)).astype(np.int32)
    values = np.clip(values, -4000, 4000)
    coded = {coder: lists.code_sequence(values, scales, coder) for coder in CODERS}
    assert coded["native"] == coded["python"] == coded["torchac"]
    assert len(coded["native"]) == 2
    assert np.array_equal(lists.decode_sequence(coded["native"], scales), values)
    monkeypatch.setattr(native, "available", lambda: False)
    assert np.array_equal(lists.decode_sequence(coded["native"], scales), values)
    with pytest.raises(ValueError, match=r"piece 1 of 2: a piece of \d+ bytes"):
        lists.decode_sequence([coded["native"][0], coded["native"][1] + b"\0"], scales)
    assert lists.code_sequence(np.empty(0, np.int32), np.empty(0, np.uint8)) == []


def test_small_tensors_are_gaussian_where_that_saves_their_pieces():
    """A piece of its own costs about 12 bits: what codes a bias of eight values in less is not worth it."""
    rng = np.random.default_rng(7)
    values = clipped(rng.normal(0, 3, 8), 5)
    gaussian = tensors.choose_model(values, 5, 0)
    assert not gaussian.adaptive
    large = clipped(rng.integers(-2, 2, 5000), 2)
    assert tensors.choose_model(large, 2, 0).adaptive


def test_model_bits_is_the_cross_entropy():
    values = np.array([[0, 0, 1, -1]], np.int32)
    table = costs.tables.gaussian()
    frequencies = np.diff(table.cumulative[12])[int(table.half_width[12]) + values.ravel()]
    expected = float(-np.log2(frequencies / 65536).sum())
    assert tensors.model_bits(values, 4, TensorModel(False, 0, 12), 0) == pytest.approx(expected)
    first = [-np.log2(1 / 16)]
    assert tensors.model_bits(values[:, :1], 4, TensorModel(True), 0) == pytest.approx(sum(first))


GOOD = clipped(np.random.default_rng(6).normal(0, 3, (4, 5, 3, 3)), 5)
REFUSED = {
    "value outside 4 bits": (GOOD * 3, 4, TensorModel(False, 0, 12), "outside 4 bits"),
    "adaptive over 8 bits": (GOOD, 9, TensorModel(True), "2 to 8 bits, not 9"),
    "scale 64": (GOOD, 5, TensorModel(False, 0, 64), r"outside 0\.\.63"),
    "negative scale": (GOOD, 5, TensorModel(False, 0, 0, np.array([-1, 0, 1, 2])), r"outside 0\.\.63"),
    "scales of other channels": (GOOD, 5, TensorModel(False, 0, 0, np.zeros(3, np.int32)), "3 scales for 4 channels"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_tensors(name):
    values, bits, model, text = REFUSED[name]
    with pytest.raises(ValueError, match=text):
        tensors.encode_values(values, bits, model, 0)
    with pytest.raises(ValueError, match=text):
        tensors.model_bits(values, bits, model, 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_refused_pieces(backend):
    if backend == "native" and not native.available():
        pytest.skip("libnq was not built")
    model = TensorModel(False, 0, 14)
    pieces = tensors.encode_values(GOOD, 5, model, 0)

    def decode(data, bits=5):
        return decode_values(data, GOOD.shape, bits, model, 0, backend)

    assert np.array_equal(decode(pieces), GOOD)
    with pytest.raises(ValueError, match="2 pieces instead of 1"):
        decode(pieces * 2)
    with pytest.raises(ValueError, match="piece 0 of 1: a piece of"):
        decode([pieces[0] + b"\0"])
    with pytest.raises(ValueError, match="piece 0 of 1: a value is outside 3 bits"):
        decode(pieces, bits=3)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="coder zip is none of"):
        tensors.encode_values(GOOD, 5, TensorModel(True), 0, "zip")
    with pytest.raises(ValueError, match="backend cuda is none of"):
        decode_values([b""], GOOD.shape, 5, TensorModel(True), 0, "cuda")


def test_decoding_imports_no_torch():
    code = (
        "import sys, numpy as np; from nqcodec.entropy import tensors as t;"
        "v = np.arange(-8, 8).reshape(4, 4); m = t.choose_model(v, 8, 0);"
        "t.decode_all([t.CodedValues.of(t.encode_values(v, 8, m, 0), v.shape, 8, m, 0)], threads=2);"
        "print(sorted({'torch', 'torchac', 'av', 'imageio'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@needs_native
def test_native_coder_is_twice_as_fast_as_torchac():
    rows = bench.run(pieces=4, rounds=5).result().rows
    ratios = {row["task"]: row["over_torchac"] for row in rows if row["coder"] == "native"}
    assert set(ratios) == {"encode", "decode"}
    assert min(ratios.values()) >= 2, rows
    alone = bench.run(pieces=1, rounds=1, with_torchac=False).result()
    assert set(alone.column("over_torchac")) == {None}
    assert set(alone.column("coder")) == {"python", "native", "context"}
