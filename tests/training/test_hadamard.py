"""The transform of torch tensors: values, gradients, fallbacks, and libnq_cuda where a device is."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Tensor

from nqcodec.network import hadamard as definition
from nqcodec.network.hadamard import block_sizes
from nqcodec.synthesis import hadamard as native
from nqcodec.synthesis.cuda import why_no_device
from nqcodec.training import hadamard as module
from nqcodec.training.hadamard import butterfly, hadamard, transform_rows

LENGTHS = (1, 2, 3, 16, 53, 77, 256, 300, 4097)
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
NEEDS_DEVICE = pytest.mark.skipif(bool(why_no_device()), reason=why_no_device())


@cache
def matrix(length: int) -> Tensor:
    """The dense orthonormal block-diagonal matrix, float64 [length, length]."""
    blocks = []
    for size in block_sizes(length):
        index = torch.arange(size)
        shared, parity = index[:, None] & index, torch.zeros(size, size, dtype=torch.long)
        for bit in range(12):
            parity ^= shared >> bit & 1
        blocks.append((1 - 2 * parity).double() / math.sqrt(size))
    return torch.block_diag(*blocks)  # type: ignore[no-any-return]


def tolerance(dtype: torch.dtype) -> float:
    return 8 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", LENGTHS)
def test_values_are_the_dense_matrix(length: int, dtype: torch.dtype) -> None:
    x = torch.randn(3, length, generator=torch.Generator().manual_seed(length)).to(dtype)
    y = hadamard(x, 1)
    assert (y.dtype, y.shape) == (dtype, x.shape)
    torch.testing.assert_close(y.double(), x.double() @ matrix(length), rtol=tolerance(dtype), atol=tolerance(dtype))


@pytest.mark.parametrize("dim", [0, 1, 2, 3, -1, -3])
def test_any_axis_of_any_layout(dim: int) -> None:
    x = torch.randn(5, 6, 7, 3)
    expected = torch.tensordot(x.movedim(dim, -1).double(), matrix(x.shape[dim]), 1).movedim(-1, dim).float()
    for layout in (
        x,
        x.contiguous(memory_format=torch.channels_last),
        x.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0),
    ):
        before = layout.clone()
        torch.testing.assert_close(hadamard(layout, dim), expected)
        assert torch.equal(layout, before), "the argument was written"


@pytest.mark.parametrize("dtype", FLOATS)
def test_it_is_its_own_inverse(dtype: torch.dtype) -> None:
    x = torch.randn(4, 77, 3, 3).to(dtype)
    torch.testing.assert_close(hadamard(hadamard(x, 1), 1), x, rtol=tolerance(dtype), atol=tolerance(dtype))


def test_gradients_of_first_and_second_order() -> None:
    x = torch.randn(2, 7, 3, dtype=torch.float64, requires_grad=True)

    def loss(value: Tensor) -> Tensor:
        return hadamard(value, 1).pow(3)

    assert torch.autograd.gradcheck(lambda value: hadamard(value, 1), (x,))
    assert torch.autograd.gradgradcheck(loss, (x,))


def test_gradient_by_libnq_is_the_transform_of_the_gradient() -> None:
    x = torch.randn(4, 53, 3, 3, requires_grad=True)
    upstream = torch.randn(4, 53, 3, 3)
    (gradient,) = torch.autograd.grad(hadamard(x, 1), x, upstream)
    assert torch.equal(gradient, hadamard(upstream, 1))
    (gradient,) = torch.autograd.grad(hadamard(x, 1).sum(), x)  # an expanded, stride-0 gradient
    assert torch.equal(gradient, hadamard(torch.ones_like(x), 1))


@pytest.mark.skipif(not native.available(), reason="libnq is not built")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_torch_path_and_libnq_round_alike(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same stages in the same order; the last factor may differ by float32's rounding of 1 / sqrt(n)."""
    x = torch.randn(9, 300).to(dtype)
    calls: list[Tensor] = []

    def counted(value: Tensor) -> Tensor:
        calls.append(value)
        return butterfly(value)

    monkeypatch.setattr(module, "butterfly", counted)
    by_library = hadamard(x, 1)
    assert not calls
    monkeypatch.setattr(module, "available", lambda: False)
    by_torch = hadamard(x, 1)
    assert calls
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(by_torch, by_library, rtol=eps, atol=0)


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="int32"):
        hadamard(torch.zeros(2, 4, dtype=torch.int32), 1)
    with pytest.raises(ValueError, match="no blocks"):
        hadamard(torch.zeros(2, 0), 1)


def test_no_rows() -> None:
    assert hadamard(torch.zeros(0, 5), 1).shape == (0, 5)


@pytest.mark.gpu
@NEEDS_DEVICE
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("length", [*(1 << m for m in range(13)), *LENGTHS])
def test_device_gives_the_bits_of_the_cpu(length: int, dtype: torch.dtype) -> None:
    """Rows that start at multiples of 16 bytes and rows that do not; guards around the result stay."""
    for rows in (1, 7, 300):
        x = torch.randn(rows, length).to(dtype)
        expected = hadamard(x, 1)
        assert torch.equal(hadamard(x.cuda(), 1).cpu(), expected)
        for offset in (1, 8):
            whole = torch.full((x.numel() + 2 * offset,), 123.0, dtype=dtype, device="cuda")
            out = whole[offset : offset + x.numel()].view(rows, length)
            transform_rows(x.cuda(), out)
            assert torch.equal(out.cpu(), expected)
            assert (whole[:offset] == 123).all()
            assert (whole[-offset:] == 123).all()


@pytest.mark.gpu
@NEEDS_DEVICE
@pytest.mark.parametrize("length", [1, 2, 8, 53, 256, 1000, 4096, 9000])
def test_device_integers_are_the_definition(length: int) -> None:
    x = torch.randint(-128, 128, (37, length), dtype=torch.int32)
    on_device, shape = x.cuda(), native.Rows(37, length, "int32", orthonormal=False)
    stream = torch.cuda.current_stream().cuda_stream
    native.transform_device_memory(shape, on_device.data_ptr(), on_device.data_ptr(), stream)
    assert (on_device.cpu().numpy() == definition.transform(x.numpy())).all()


@pytest.mark.gpu
@NEEDS_DEVICE
def test_gradient_on_the_device() -> None:
    x = torch.randn(4, 53, 3, 3, device="cuda", requires_grad=True)
    upstream = torch.randn(4, 53, 3, 3, device="cuda")
    (gradient,) = torch.autograd.grad(hadamard(x, 1), x, upstream)
    assert torch.equal(gradient, hadamard(upstream, 1))
