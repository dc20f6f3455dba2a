"""The context model: a decoder written from the specification alone, C against Python, sizes, and what is refused."""

import json
import re
from bisect import bisect_right
from itertools import accumulate, product

import numpy as np
import pytest
from coded_values import decode_values
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.benchmarks import entropy as bench
from nqcodec.entropy import context, costs, native, tensors
from nqcodec.entropy.coder import ArithmeticDecoder
from nqcodec.entropy.tensors import BACKENDS, CODERS, TensorModel
from nqcodec.network import tables
from nqcodec.network.integer_network import Context

needs_native = pytest.mark.skipif(not native.available(), reason="libnq was not built")
LOGISTIC = tables.FORMATS / "tables" / "logistic.json"


def weights(given_weights: dict[int, int]) -> tuple[int, ...]:
    return tuple(given_weights.get(j, 0) for j in range(14))


USUAL = Context(200, weights({0: 26, 1: 24, 2: -12, 4: 26, 8: -3, 9: 2}), weights({0: 20, 1: 20, 4: 20, 12: 5}))


def limits(bits: int) -> tuple[int, int]:
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def smooth(seed: int, shape: tuple[int, ...], amplitude: float = 30, noise: float = 0.5, bits: int = 8) -> np.ndarray:
    """Latents as a fit makes them: waves that drift in time, and noise that is stronger in places."""
    rng = np.random.default_rng(seed)
    t, c, y, x = np.meshgrid(*(np.arange(size) for size in shape), indexing="ij")
    waves = np.zeros(shape)
    for _ in range(6):
        fy, fx, ft = rng.uniform(0.05, 0.35, 3) * rng.choice([-1, 1], 3)
        waves += np.sin(fy * y + fx * x + ft * t + rng.uniform(0, 6, shape[1])[c]) / 3
    busy = np.exp(np.sin(0.2 * y) + np.cos(0.15 * x))
    values = amplitude * waves + noise * busy * rng.normal(0, 1, shape)
    return np.clip(np.rint(values), *limits(bits)).astype(np.int32)


def fitted(values: np.ndarray) -> Context:
    """Least-squares mean weights of seven neighbours, and plausible scale weights: what an encoder might find."""
    used = range(7)
    padded = np.pad(values, [(1, 0), (1, 0), (2, 1), (2, 1)]).astype(np.float64)
    t, c, h, w = values.shape
    columns = []
    for dt, dc, dy, dx in (context.NEIGHBOURS[j] for j in used):
        columns.append(padded[1 + dt :, 1 + dc :, 2 + dy :, 2 + dx :][:t, :c, :h, :w].ravel())
    mean = np.linalg.lstsq(np.stack(columns, 1), values.ravel().astype(np.float64), rcond=None)[0]
    chosen = np.clip(np.rint(64 * mean), -256, 255).astype(int).tolist()
    return Context(120, weights(dict(zip(used, chosen, strict=True))), weights({0: 22, 1: 22, 3: 12, 4: 22}))


def specification_decode(
    pieces: list[bytes], shape: tuple[int, ...], bits: int, model: Context, piece: int
) -> list[int]:
    """Section 3.6 word by word: one value at a time, nothing precomputed, one dictionary of what is known."""
    rows = json.loads(LOGISTIC.read_text())["frequencies"]
    dt = (0, 0, 0, 0, -1, -1, -1, 0, 0, 0, -1, -1, 0, 0)
    dc = (0, 0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, -1)
    dy = (0, -1, -1, -1, 0, 0, 1, 0, 0, -2, 0, -1, 0, 1)
    dx = (-1, 0, -1, 1, 0, 1, 0, 0, -2, 0, -1, 0, 1, 0)
    offsets = list(zip(dt, dc, dy, dx, strict=True))
    low, high = limits(bits)
    known: dict[tuple[int, ...], tuple[int, int]] = {}
    for number, at in enumerate(product(*map(range, shape))):
        if number % piece == 0:
            decoder = ArithmeticDecoder(pieces[number // piece])
        near = [known.get(tuple(i + d for i, d in zip(at, offset, strict=True)), (0, 0)) for offset in offsets]
        p = (sum(a * v for a, (v, _) in zip(model.mean, near, strict=True)) + 4) >> 3
        p = min(max(p, 8 * low), 8 * high)
        sig = model.base + sum(b * d for b, (_, d) in zip(model.scale, near, strict=True))
        n = len(f"{sig:b}")
        s = min(max(4 * n + ((4 * sig) >> (n - 1)) - 28, 0), 63)
        k = 0 if s < 32 else (s - 28) >> 2
        m = (p + 4) >> 3
        phi = p - 8 * m
        frequencies = rows[5 * (s - 4 * k) + (abs(phi) if k == 0 else 0)]
        cumulative = [0, *accumulate(frequencies)]
        symbol = bisect_right(cumulative, decoder.target()) - 1
        decoder.advance(cumulative[symbol], cumulative[symbol + 1])
        width = len(frequencies) // 2 - 1
        h = symbol - width
        if symbol == 2 * width + 1:
            sign, zeros = decoder.bypass(), 0
            while decoder.bypass() == 0:
                zeros += 1
            y = int("1" + "".join(str(decoder.bypass()) for _ in range(zeros)), 2)
            h = (width + y) * (-1 if sign else 1)
        u = (h << k) + decoder.bypass(k) - ((1 << k) >> 1)
        v = m + (u if phi >= 0 else -u)
        known[at] = v, abs(8 * v - p)
    return [value for value, _ in known.values()]


def random_context(rng: np.random.Generator) -> Context:
    """Usual weights, any, or extreme ones, for a random set of neighbours."""
    mask = rng.random(14) < rng.random()
    kind = int(rng.integers(3))
    mean = (rng.integers(-30, 40, 14), rng.integers(-256, 256, 14), rng.choice([-256, 255], 14))[kind] * mask
    scale = (rng.integers(0, 40, 14), rng.integers(0, 256, 14), np.full(14, 255))[kind] * mask
    base = int(rng.choice([1, 2, 65535, rng.integers(1, 4000)]))
    return Context(base, tuple(mean.tolist()), tuple(scale.tolist()))


def random_latent(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> np.ndarray:
    low, high = limits(bits)
    kinds = (
        rng.integers(low, high + 1, shape),
        rng.choice([low, high], shape),
        np.full(shape, rng.choice([low, high])),
        np.clip(np.rint(rng.laplace(0, high / 6 + 0.3, shape)), low, high),
        smooth(int(rng.integers(1000)), shape, high / 2, bits=bits),
    )
    return kinds[int(rng.integers(len(kinds)))].astype(np.int32)


SHAPES = [
    (1, 1, 1, 1),
    (1, 1, 1, 9),
    (1, 1, 9, 1),
    (5, 1, 1, 1),
    (1, 6, 1, 2),
    (3, 2, 2, 2),
    (2, 3, 5, 4),
    (4, 2, 3, 7),
]


@needs_native
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(8))
def test_coders_and_the_specification_agree(shape, seed, monkeypatch):
    rng = np.random.default_rng([seed, *shape])
    bits = int(rng.integers(2, 13))
    piece = int(rng.choice([1, 5, 16, 65536]))
    monkeypatch.setattr(tensors, "PIECE_SYMBOLS", piece)
    model = TensorModel(False, context=random_context(rng))
    values = random_latent(rng, shape, bits)
    pieces = tensors.encode_values(values, bits, model, 1, "native")
    assert len(pieces) == -(-values.size // piece)
    assert specification_decode(pieces, shape, bits, model.context, piece) == values.ravel().tolist()
    assert tensors.encode_values(values, bits, model, 1, "python") == pieces
    for backend in BACKENDS:
        decoded = decode_values(pieces, shape, bits, model, 1, backend)
        assert decoded.dtype == np.int32
        assert np.array_equal(decoded, values)


@needs_native
@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.integers(1, 6)] * 4),
    st.integers(2, 12),
    st.integers(1, 65535),
    st.lists(st.integers(-256, 255), min_size=14, max_size=14),
    st.lists(st.integers(0, 255), min_size=14, max_size=14),
    st.integers(0, 2**32 - 1),
)
def test_any_legal_weights_round_trip(shape, bits, base, mean, scale, seed):
    model = TensorModel(False, context=Context(base, tuple(mean), tuple(scale)))
    values = random_latent(np.random.default_rng(seed), shape, bits)
    pieces = tensors.encode_values(values, bits, model, 1)
    for backend in BACKENDS:
        assert np.array_equal(decode_values(pieces, shape, bits, model, 1, backend), values)


@needs_native
def test_torchac_gives_the_same_bytes():
    values = smooth(1, (3, 2, 20, 30))
    model = TensorModel(False, context=USUAL)
    coded = {tuple(tensors.encode_values(values, 8, model, 1, coder)) for coder in CODERS}
    assert len(coded) == 1


@needs_native
def test_neighbours_reach_across_pieces():
    values = smooth(2, (2, 1, 230, 200))
    model = TensorModel(False, context=USUAL)
    pieces = tensors.encode_values(values, 8, model, 1)
    assert len(pieces) == 2
    for threads in (1, 3):
        assert np.array_equal(decode_values(pieces, values.shape, 8, model, 1, threads=threads), values)
    alone = tensors.encode_values(values[1:], 8, model, 1)
    assert sum(map(len, pieces)) < 0.95 * (sum(map(len, alone)) + len(pieces[0]))


@pytest.mark.parametrize("neighbour", range(14))
def test_each_neighbour_is_where_the_table_says(neighbour):
    """With weight 64 the prediction is the neighbour, so a copy of it costs next to nothing, and no other does."""
    rng = np.random.default_rng(neighbour)
    shape = (3, 3, 8, 9)
    values = np.zeros(shape, np.int32)
    for at in product(*map(range, shape)):
        source = tuple(i + d for i, d in zip(at, context.NEIGHBOURS[neighbour], strict=True))
        inside = all(0 <= i < size for i, size in zip(source, shape, strict=True))
        values[at] = values[source] if inside else rng.integers(-100, 100)
    values_bits = [
        tensors.model_bits(values, 8, TensorModel(False, context=Context(20, weights({j: 64}), weights({j: 4}))), 1)
        for j in range(14)
    ]
    assert int(np.argmin(values_bits)) == neighbour
    fresh = 648 * (1 - np.prod([(n - abs(d)) / n for n, d in zip(shape, context.NEIGHBOURS[neighbour], strict=True)]))
    assert values_bits[neighbour] < 48 * fresh + 648 * 0.01


def test_a_fractional_mean_is_used():
    """The mean of two neighbours that differ by one lies between two values: both cost one bit, a third many."""
    values = np.array([[[[4, 5, 0], [0, 0, 0]]]], np.int32)
    model = Context(1, weights({1: 32, 3: 32}), weights({}))
    for middle, expected in ((4, 1), (5, 1), (3, 16), (6, 16)):
        values[0, 0, 1, 0] = middle
        points = context.points(values, 5, model)
        low, high = points.events(3, 4)
        assert -np.log2((high[0] - low[0]) / 65536) == pytest.approx(expected, abs=0.01)


SIZES = {
    "smooth": (smooth(3, (6, 2, 40, 60)), 8, fitted(smooth(3, (6, 2, 40, 60)))),
    "no neighbour": (smooth(4, (3, 2, 30, 40), 0, 2), 8, Context(700, weights({}), weights({}))),
    "two bits": (smooth(5, (4, 2, 30, 40), 1, 0.3, bits=2), 2, USUAL),
    "twelve bits": (smooth(6, (4, 2, 30, 40), 1500, 20, bits=12), 12, USUAL),
    "bad weights": (smooth(7, (2, 2, 20, 30)), 8, Context(1, weights({0: -256, 4: 255}), weights({}))),
    "two pieces": (smooth(8, (9, 2, 64, 64)), 8, USUAL),
}


@pytest.mark.parametrize("name", SIZES)
def test_size_is_that_of_the_cross_entropy(name):
    values, bits, weights_of = SIZES[name]
    model = TensorModel(False, context=weights_of)
    pieces = tensors.encode_values(values, bits, model, 1)
    cross_entropy = tensors.model_bits(values, bits, model, 1)
    size = sum(map(len, pieces))
    assert cross_entropy / 8 <= size <= 1.005 * cross_entropy / 8 + 3 * len(pieces)
    events = context.points(values, bits, weights_of).events(0, values.size)
    assert cross_entropy == pytest.approx(costs.event_bits(events), rel=1e-9)


@pytest.mark.parametrize(("noise", "saving"), [(0.2, 0.4), (0.5, 0.3), (1.5, 0.2)])
def test_smooth_latents_take_fewer_bits_than_with_a_static_model(noise, saving):
    values = smooth(9, (12, 2, 34, 60), noise=noise)
    weights_of = fitted(values)
    model = tensors.choose_model(values, 8, 1, weights_of)
    assert model.context == weights_of
    size = 8 * (sum(map(len, tensors.encode_values(values, 8, model, 1))) + context.record_bytes(weights_of))
    static = tensors.choose_model(values, 8, 1)
    assert size < (1 - saving) * 8 * sum(map(len, tensors.encode_values(values, 8, static, 1)))
    assert tensors.estimate_bits(values, 8, 1, weights_of) == pytest.approx(size, rel=0.02)
    assert tensors.estimate_bits(values, 8, 1) > size


def test_context_is_left_where_it_is_larger():
    rng = np.random.default_rng(10)
    noise = np.clip(np.rint(rng.normal(0, 3, (3, 2, 20, 20))), -128, 127).astype(np.int32)
    assert tensors.choose_model(noise, 8, 1, USUAL).context is None
    assert tensors.estimate_bits(noise, 8, 1, USUAL) == tensors.estimate_bits(noise, 8, 1)
    # So few values that the weights' own bytes are what counts.
    tiny = np.full((1, 1, 1, 6), 3, np.int32)
    assert tensors.choose_model(tiny, 8, 1, USUAL).context is None


def test_python_serves_where_libnq_is_missing(monkeypatch):
    values = smooth(11, (3, 2, 12, 14))
    model = TensorModel(False, context=USUAL)
    coded, bits = tensors.encode_values(values, 8, model, 1), tensors.model_bits(values, 8, model, 1)
    monkeypatch.setattr(native, "load_libnq", lambda: None)
    native._library.cache_clear()
    try:
        assert tensors.encode_values(values, 8, model, 1) == coded
        assert tensors.model_bits(values, 8, model, 1) == pytest.approx(bits, rel=1e-9)
        assert np.array_equal(decode_values(coded, values.shape, 8, model, 1), values)
    finally:
        native._library.cache_clear()


def outcome(*args):
    """A decoder's values as a list, or its error's text: what must be the same for C and Python."""
    try:
        return decode_values(*args).tolist()
    except ValueError as error:
        return str(error)


def kind(result):
    """Of an error, the piece and what is wrong with it, whatever figures the text has."""
    return re.findall(r"^piece \d of 3|outside|bytes|escape", result) if isinstance(result, str) else result


@needs_native
@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=30), min_size=3, max_size=3),
    st.integers(0, 2**32 - 1),
    st.integers(2, 12),
    st.booleans(),
)
def test_decoders_agree_on_any_bytes(pieces, seed, bits, is_usual):
    model = TensorModel(False, context=USUAL if is_usual else random_context(np.random.default_rng(seed)))
    results = []
    for backend in BACKENDS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tensors, "PIECE_SYMBOLS", 11)
            results.append(outcome(pieces, (2, 2, 2, 4), bits, model, 1, backend))
    assert kind(results[0]) == kind(results[1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_damaged_pieces(backend, monkeypatch):
    if backend == "native" and not native.available():
        pytest.skip("libnq was not built")
    monkeypatch.setattr(tensors, "PIECE_SYMBOLS", 500)
    values = smooth(12, (2, 2, 17, 20))
    model = TensorModel(False, context=USUAL)
    pieces = tensors.encode_values(values, 8, model, 1)
    assert len(pieces) == 3

    def decode(changed):
        return outcome(changed, values.shape, 8, model, 1, backend)

    assert decode(pieces) == values.tolist()
    assert decode(pieces[:2]) == "2 pieces instead of 3"
    for number in range(3):
        longer = [piece + b"\0" * (number == at) for at, piece in enumerate(pieces)]
        assert decode(longer).startswith(f"piece {number} of 3: a piece of")
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(60):
        number = int(rng.integers(3))
        changed = bytearray(pieces[number])
        changed[int(rng.integers(len(changed) - 4))] ^= 1 << int(rng.integers(8))
        result = decode([bytes(changed) if at == number else piece for at, piece in enumerate(pieces)])
        assert result != values.tolist()
        found += isinstance(result, str)
    assert found >= 45
    wrong_bits = outcome(pieces, values.shape, 4, model, 1, backend)
    assert "piece 0 of 3: a value is outside" in wrong_bits


GOOD = smooth(13, (2, 2, 5, 6))
REFUSED = {
    "three axes": (GOOD[0], 8, USUAL, r"latents \[T, C, H, W\], not 3 axes"),
    "one bit": (np.zeros((1, 1, 1, 1), np.int32), 1, USUAL, "2 to 12 bits, not 1"),
    "thirteen bits": (GOOD, 13, USUAL, "2 to 12 bits, not 13"),
    "value outside": (GOOD, 4, USUAL, "outside 4 bits"),
    "base 0": (GOOD, 8, Context(0, USUAL.mean, USUAL.scale), r"base 0 is outside 1\.\.65535"),
    "base over": (GOOD, 8, Context(65536, USUAL.mean, USUAL.scale), "base 65536 is outside"),
    "mean over": (GOOD, 8, Context(1, weights({3: 256}), USUAL.scale), r"mean weight 256 is outside -256\.\.255"),
    "mean under": (GOOD, 8, Context(1, weights({13: -257}), USUAL.scale), "mean weight -257 is outside"),
    "spread over": (GOOD, 8, Context(1, USUAL.mean, weights({0: 256})), r"spread weight 256 is outside 0\.\.255"),
    "spread under": (GOOD, 8, Context(1, USUAL.mean, weights({0: -1})), "spread weight -1 is outside"),
    "thirteen weights": (GOOD, 8, Context(1, USUAL.mean[1:], USUAL.scale), "13 mean weights instead of 14"),
    "fifteen weights": (GOOD, 8, Context(1, USUAL.mean, (*USUAL.scale, 0)), "15 spread weights instead of 14"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_tensors(name):
    values, bits, weights_of, text = REFUSED[name]
    model = TensorModel(False, context=weights_of)
    with pytest.raises(ValueError, match=text):
        tensors.encode_values(values, bits, model, 1)
    with pytest.raises(ValueError, match=text):
        tensors.model_bits(values, bits, model, 1)
    if name != "value outside":
        with pytest.raises(ValueError, match=text):
            decode_values([b"\0\0"], values.shape, bits, model, 1)


@needs_native
@pytest.mark.parametrize(
    "change", [{"bits": 1}, {"bits": 13}, {"context": Context(0, USUAL.mean, USUAL.scale)}, {"piece": 0}]
)
def test_the_library_checks_for_itself(change):
    arguments = {"bits": 8, "context": USUAL, "piece": 65536} | change
    with pytest.raises(ValueError, match="an argument is not valid"):
        native.context_decode([b"\0\0"], (1, 1, 1, 1), **arguments)
    with pytest.raises(ValueError, match="outside its bits"):
        native.context_bits(np.full((1, 1, 1, 1), 200, np.int32), 8, USUAL)


@needs_native
def test_the_library_never_writes_past_its_buffer(monkeypatch):
    monkeypatch.setattr(native, "BYTES_PER_VALUE", 0)
    noise = np.random.default_rng(0).integers(-2048, 2048, (1, 1, 30, 30)).astype(np.int32)
    with pytest.raises(ValueError, match="larger than its buffer"):
        native.context_encode(noise, 12, USUAL, 65536)


@needs_native
def test_decoding_is_fast_enough():
    assert bench.context_speeds(rounds=3)["context decode"] > 5e6
