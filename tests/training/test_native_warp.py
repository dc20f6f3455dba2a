"""libnq's float warp and its gradients: against their definition in float64, finite differences, torch's operations."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from float_warps import Case, Results, differentiated, exact_values, random_case, smooth_case
from torch import Tensor

from nqcodec.native.cpu import CPU_LEVELS, cpu_levels
from nqcodec.native.loading import load_libnq, why_absent
from nqcodec.network.operations import LINEAR_TAPS, Warp
from nqcodec.training import native_warp as native
from nqcodec.training import operations as twins

NEEDS_LIBRARY = pytest.mark.skipif(load_libnq() is None, reason=why_absent("libnq"))
GUARD = 64
SHAPES = (
    (1, 1, 4, 4),
    (1, 2, 4, 5),
    (2, 1, 5, 7),
    (1, 1, 9, 16),
    (3, 2, 7, 6),
    (2, 3, 6, 33),
    (1, 4, 8, 9),
    (2, 5, 5, 19),
    (1, 7, 4, 12),
    (1, 8, 11, 4),
    (1, 1, 4, 133),
    (1, 3, 5, 260),
)
"""Maps of one channel and of one to four in the last vector; widths about those of vectors and of parts of rows."""

SPREADS = {"still": 0.0, "inside": 0.4, "near": 3.0, "far": 1e4}
"""Standard deviations of random vectors, in cells."""


def of_libnq(case: Case, cpu: str | None = None) -> Results:
    warped = native.warped_maps(case.maps, case.vectors, case.unit, cpu=cpu)
    by_maps, by_vectors = native.warp_gradients(case.maps, case.vectors, case.unit, case.by_warped, cpu=cpu)
    assert by_maps is not None
    assert by_vectors is not None
    return Results(warped, by_maps, by_vectors)


def bits_of(results: Results) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in results]


def assert_close(got: Results, expected: Results, slack: float) -> None:
    """To `slack` of the largest value of each tensor."""
    for name, mine, theirs in zip(Results._fields, got, expected, strict=True):
        assert mine.shape == theirs.shape
        most = float(theirs.abs().max())
        torch.testing.assert_close(mine.double(), theirs.double(), rtol=0, atol=slack * most + 1e-12, msg=name)


@NEEDS_LIBRARY
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
@pytest.mark.parametrize("bits", [0, 3])
def test_libnq_is_the_definition(shape: tuple[int, int, int, int], spread: float, bits: int) -> None:
    case = random_case(shape, spread, bits)
    assert_close(of_libnq(case), differentiated(exact_values, case), 2e-6)


@NEEDS_LIBRARY
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("amplitude", [0.4, 3.0, 20.0])
def test_libnq_where_vectors_change_slowly(shape: tuple[int, int, int, int], amplitude: float) -> None:
    case = smooth_case(shape, amplitude)
    assert_close(of_libnq(case), differentiated(exact_values, case), 2e-6)


@NEEDS_LIBRARY
@pytest.mark.parametrize("shape", [(1, 1, 12, 40), (2, 3, 9, 21)])
@pytest.mark.parametrize("spread", [0.4, 3.0])
def test_vectors_have_the_gradients_of_finite_differences(shape: tuple[int, int, int, int], spread: float) -> None:
    case, step = random_case(shape, spread, bits=2), 1e-5
    found = of_libnq(case).vectors
    for component in range(2):
        way = torch.zeros(2, 1, 1, dtype=torch.float64)
        way[component] = step
        ends = [exact_values(case.maps, case.vectors.double() + sign * way, case.operation) for sign in (1, -1)]
        slopes = ((ends[0] - ends[1]) / (2 * step) * case.by_warped).sum(1)
        torch.testing.assert_close(found[:, component].double(), slopes, rtol=0, atol=2e-4)


@NEEDS_LIBRARY
@pytest.mark.parametrize("shape", [(1, 1, 12, 40), (2, 3, 9, 21)])
def test_maps_have_the_gradient_of_finite_differences(shape: tuple[int, int, int, int]) -> None:
    """A warp is linear in its maps, so any step does."""
    case = random_case(shape, 3.0)
    before, gradient, _ = of_libnq(case)
    for seed in range(3):
        way = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        change = of_libnq(case._replace(maps=case.maps + way)).warped - before
        assert float((change * case.by_warped).sum()) == pytest.approx(
            float((gradient * way).sum()), rel=1e-4, abs=1e-3
        )


@NEEDS_LIBRARY
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS)
def test_libnq_is_torchs_expression(shape: tuple[int, int, int, int], spread: float) -> None:
    """torch computes places between -1 and 1 in float32: 2^-15 of a cell are lost at column 260."""
    case = random_case(shape, spread, bits=1)
    got, expected = differentiated(twins.warp, case), differentiated(twins.warp_by_torch, case)
    assert bits_of(got) == bits_of(of_libnq(case))
    assert_close(got, expected, 2e-4)


@NEEDS_LIBRARY
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("beyond", "ends"), [(0.0, False), (1e-3, True)])
def test_gradients_of_vectors_end_where_torch_ends_them(channels: int, beyond: float, ends: bool) -> None:
    """There are gradients in the right upper corner, and none a little beyond it."""
    rows, columns = torch.arange(6.0)[:, None], torch.arange(8.0)
    ways = torch.stack([(-rows - beyond).expand(6, 8), (7 - columns + beyond).expand(6, 8)])[None]
    case = random_case((1, channels, 6, 8), 0.0)._replace(vectors=ways)
    found = of_libnq(case)
    assert bool((found.vectors == 0).all()) == ends
    assert_close(found, differentiated(twins.warp_by_torch, case), 1e-5)


@NEEDS_LIBRARY
def test_the_same_bits_at_every_level_in_every_thread() -> None:
    for shape in SHAPES:
        for case in (random_case(shape, 2.0), smooth_case(shape), smooth_case(shape, 0.1)):
            expected = bits_of(of_libnq(case, "scalar"))
            for cpu in cpu_levels():
                assert bits_of(of_libnq(case, cpu)) == expected, (shape, cpu)
    case = random_case((2, 3, 40, 70), 2.0)
    expected = bits_of(of_libnq(case))
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: bits_of(of_libnq(case)), range(16))) == [expected] * 16


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "planes": lambda x: x.contiguous(),
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "turned": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "part": lambda x: torch.nn.functional.pad(x, (1, 2, 3, 1, 2, 1))[:, 2:-1, 3:-1, 1:-2],
    "reversed order": lambda x: x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
}


@NEEDS_LIBRARY
@pytest.mark.parametrize("shape", [(2, 1, 5, 9), (2, 3, 6, 7), (1, 5, 4, 4)])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_any_strides_give_the_same_bits(shape: tuple[int, int, int, int], layout: Callable[[Tensor], Tensor]) -> None:
    case = random_case(shape, 2.0)
    laid = Case(*map(layout, case[:3]))
    got, expected = of_libnq(laid), of_libnq(case)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(got, expected, strict=True))
    assert got.warped.stride() == torch.empty(shape, memory_format=torch.channels_last).stride()


@NEEDS_LIBRARY
def test_one_map_for_a_whole_batch() -> None:
    case = random_case((3, 2, 6, 7), 2.0)
    maps, vectors = case.maps[:1].requires_grad_(True), case.vectors[:1].requires_grad_(True)
    warped = native.warp_cubic(maps.expand(3, -1, -1, -1), vectors.expand(3, -1, -1, -1), 1.0)
    by_maps, by_vectors = torch.autograd.grad(warped, (maps, vectors), case.by_warped)
    repeated = case._replace(maps=case.maps[:1].repeat(3, 1, 1, 1), vectors=case.vectors[:1].repeat(3, 1, 1, 1))
    expected = of_libnq(repeated)
    assert torch.equal(warped, expected.warped)
    torch.testing.assert_close(by_maps, expected.maps.sum(0, keepdim=True))
    torch.testing.assert_close(by_vectors, expected.vectors.sum(0, keepdim=True))


@NEEDS_LIBRARY
def test_gradients_that_nobody_wants_are_left_out() -> None:
    case = random_case((1, 2, 5, 6), 1.0)
    expected = of_libnq(case)
    for wanted in ((True, False), (False, True), (False, False)):
        found = native.warp_gradients(case.maps, case.vectors, case.unit, case.by_warped, wanted)
        for gradient, theirs, want in zip(found, expected[1:], wanted, strict=True):
            assert gradient is None if not want else torch.equal(gradient, theirs)
    leaf = case.maps.clone().requires_grad_(True)
    native.warp_cubic(leaf, case.vectors, case.unit).backward(case.by_warped)
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, expected.maps)
    assert not native.warp_cubic(case.maps, case.vectors, case.unit).requires_grad


@NEEDS_LIBRARY
def test_a_second_derivative_is_refused() -> None:
    case = random_case((1, 1, 5, 6), 1.0)
    leaf = case.vectors.clone().requires_grad_(True)
    warped = native.warp_cubic(case.maps, leaf, case.unit)
    (gradient,) = torch.autograd.grad((warped**2).sum(), leaf, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def guarded(tensor: Tensor) -> np.ndarray:
    """Values between NaN."""
    return np.pad(tensor.numpy().reshape(-1), GUARD, constant_values=np.nan)


def inside(whole: np.ndarray) -> ctypes.c_void_p:
    """Address of the first value."""
    return ctypes.c_void_p(int(whole.ctypes.data) + GUARD * whole.itemsize)


@NEEDS_LIBRARY
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cpu", CPU_LEVELS)
def test_nothing_outside_the_arrays_is_read_or_written(shape: tuple[int, int, int, int], cpu: str) -> None:
    if cpu not in cpu_levels():
        pytest.skip(f"this CPU has no {cpu}")
    library, level = load_libnq(), CPU_LEVELS.index(cpu)
    assert library is not None
    for case in (random_case(shape, 4.0), smooth_case(shape)):
        # Channels last in memory, as libnq has them, and vectors in planes.
        vectors = case.vectors.contiguous()
        maps, by_warped = (x.permute(0, 2, 3, 1).contiguous() for x in (case.maps, case.by_warped))
        inputs = [guarded(x) for x in (maps, vectors, by_warped)]
        before = [whole.tobytes() for whole in inputs]
        outputs = [guarded(torch.full_like(x, 77.0)) for x in (maps, maps, vectors)]
        descriptor = native._descriptor(case.maps, vectors, case.unit)
        descriptor.maps, descriptor.vectors = inside(inputs[0]), inside(inputs[1])
        gradients = [inside(whole) for whole in outputs[1:]]
        assert library.nq_float_warp(ctypes.byref(descriptor), inside(outputs[0]), level) == 0
        assert library.nq_float_warp_gradients(ctypes.byref(descriptor), inside(inputs[2]), *gradients, level) == 0
        assert [whole.tobytes() for whole in inputs] == before
        expected = of_libnq(case)
        wanted = [*(x.permute(0, 2, 3, 1) for x in expected[:2]), expected.vectors]
        for whole, result in zip(outputs, wanted, strict=True):
            assert np.isnan(whole[:GUARD]).all()
            assert np.isnan(whole[-GUARD:]).all()
            assert whole[GUARD:-GUARD].tobytes() == result.contiguous().numpy().tobytes()


@NEEDS_LIBRARY
@pytest.mark.parametrize("channels", [1, 3])
def test_a_vector_that_is_no_number_shows_and_harms_nothing_else(channels: int) -> None:
    case = random_case((1, channels, 6, 40), 1.0)
    expected = of_libnq(case)
    for value in (math.nan, math.inf, -math.inf):
        vectors = case.vectors.clone()
        vectors[0, 1, 2, 5] = value
        found = of_libnq(case._replace(vectors=vectors))
        others = torch.ones(6, 40, dtype=torch.bool)
        others[2, 5] = False
        assert torch.equal(found.warped[..., others], expected.warped[..., others])
        assert torch.equal(found.vectors[..., others], expected.vectors[..., others])
        assert bool(found.warped[..., 2, 5].isnan().all()) == math.isnan(value)
        assert found.vectors[0, 1, 2, 5] == 0


@NEEDS_LIBRARY
def test_what_the_library_refuses() -> None:
    library = load_libnq()
    assert library is not None

    def statuses(shape: tuple[int, ...], level: int = 0) -> set[int]:
        descriptor = native._Descriptor(shape=(ctypes.c_int32 * 4)(*shape))
        pointer = ctypes.byref(descriptor)
        return {
            library.nq_float_warp(pointer, None, level),
            library.nq_float_warp_gradients(pointer, None, None, None, level),
        }

    for shape in ((0, 1, 4, 4), (1, 0, 4, 4), (1, 1, 3, 4), (1, 1, 4, 3), (1, 1, 65536, 32768)):
        assert statuses(shape) == {5}
    assert statuses((1, 1, 4, 4), level=3) == {3}


def refuse(*_: object) -> Tensor:
    raise AssertionError("the other way was to be taken")


@NEEDS_LIBRARY
def test_a_warp_of_four_taps_is_libnqs(monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case((2, 2, 5, 6), 1.0, bits=2)
    monkeypatch.setattr(twins, "warp_by_torch", refuse)
    assert torch.equal(twins.warp(case.maps, case.vectors, case.operation), of_libnq(case).warped)


def test_a_warp_of_two_taps_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    case, op = random_case((2, 2, 5, 6), 1.0), Warp((0, 1), 0, LINEAR_TAPS)
    monkeypatch.setattr(twins, "warp_cubic", refuse)
    warped = twins.warp(case.maps, case.vectors, op)
    assert torch.equal(warped, twins.warp_by_torch(case.maps, case.vectors, op))


@pytest.mark.parametrize("why", ["no libnq", "compiled", "few rows", "few columns"])
def test_torch_takes_over(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    case = random_case((1, 2, 3 if why == "few rows" else 5, 3 if why == "few columns" else 6), 1.0)
    monkeypatch.setattr(twins, "warp_cubic", refuse)
    if why == "no libnq":
        monkeypatch.setattr(native, "load_libnq", lambda: None)
    if why == "compiled":
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    got, expected = differentiated(twins.warp, case), differentiated(twins.warp_by_torch, case)
    assert bits_of(got) == bits_of(expected)


@NEEDS_LIBRARY
def test_maps_of_16_bits_are_warped_in_32() -> None:
    case = random_case((2, 3, 6, 7), 2.0)
    maps, vectors = case.maps.bfloat16().requires_grad_(True), case.vectors.bfloat16().requires_grad_(True)
    warped = twins.warp(maps, vectors, case.operation)
    by_warped = case.by_warped.bfloat16()
    expected = of_libnq(Case(maps.float(), vectors.float(), by_warped.float()))
    assert warped.dtype is torch.bfloat16
    assert torch.equal(warped, expected.warped.bfloat16())
    found = torch.autograd.grad(warped, (maps, vectors), by_warped)
    for mine, theirs in zip(found, expected[1:], strict=True):
        assert torch.equal(mine, theirs.bfloat16())
