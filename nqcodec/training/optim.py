"""Optimizers of a fit: Adam for everything, or Muon for convolution weights with Adam for the rest.

All are built from the same parameter groups, so a schedule scales every group's own base rate alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from nqcodec.training import native_adam
from nqcodec.training.native_arrays import has_native

OPTIMIZERS = ("muon", "adam", "adamw")
"""Names that `FitSettings.optimizer` may have; "adam" is without weight decay."""

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of Muon's quintic iteration: steep at 0, so that few of them bring singular values near 1."""

NEWTON_SCHULZ_ITERATIONS = 3
"""Five are customary; three are as good (within 0.03 dB) and take half the time."""

THREADED_SIZE = 1 << 18
"""Elements of a weight from which several threads speed up its update."""


def orthogonalise(matrix: Tensor) -> Tensor:
    """Nearly the closest semi-orthogonal matrix to `matrix` [R, C]: its singular values moved to about 1."""
    a, b, c = NEWTON_SCHULZ
    wide: Tensor = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
    x: Tensor = wide / (wide.norm() + 1e-7)
    for _ in range(NEWTON_SCHULZ_ITERATIONS):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide is matrix else x.mT


@contextmanager
def _few_threads(weights: list[Tensor]) -> Iterator[None]:
    """One thread while every weight's matrix is small: threads would wait for one another longer than they compute."""
    threads = torch.get_num_threads()
    if max(weight.numel() for weight in weights) < THREADED_SIZE:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class MuonAdam(Optimizer):
    """Muon (momentum, then orthogonalised updates) on groups with `muon` set; Adam on the others.

    A weight [O, I, k, k] is the matrix [O, I k k]. Its update is scaled by sqrt(max(1, O / (I k k))), so that `lr` is
    the size of a change of a layer's output whatever its shape.

    Args:
        groups: dictionaries with `params`, `lr`, `muon` (bool) and `decay` (weight decay, times the rate).
        momentum: of Muon, with Nesterov's look-ahead.
        betas, eps: of Adam.
        threads: CPU threads for Adam's updates by libnq; they do not depend on it.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        threads: int = 1,
    ):
        self._threads = threads
        defaults = {"lr": 1e-3, "muon": False, "decay": 0.0, "momentum": momentum, "betas": betas, "eps": eps}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            members: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if group["decay"] and members:
                torch._foreach_mul_(members, 1 - group["lr"] * group["decay"])
            if group["muon"]:
                with _few_threads(members):
                    for parameter in members:
                        self._muon(parameter, group)
            elif members:
                self._adam(members, group)

    def _muon(self, parameter: Tensor, group: dict[str, Any]) -> None:
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        lookahead = gradient.lerp(state["momentum"], group["momentum"]).flatten(1)
        scale = max(1.0, lookahead.shape[0] / lookahead.shape[1]) ** 0.5
        parameter.add_(orthogonalise(lookahead).view_as(parameter), alpha=-group["lr"] * scale)

    def _adam(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Adam over all tensors of a group at once; the step count is a tensor, so it is saved with the state."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "mean": torch.zeros_like(parameter),
                    "square": torch.zeros_like(parameter),
                    "count": torch.zeros((), dtype=torch.float32),
                }
        gradients = [p.grad for p in parameters if p.grad is not None]
        means = [self.state[p]["mean"] for p in parameters]
        squares = [self.state[p]["square"] for p in parameters]
        (mean_decay, square_decay), eps = group["betas"], group["eps"]
        for parameter in parameters:
            self.state[parameter]["count"] += 1
        count = float(self.state[parameters[0]]["count"])
        size = (1 - square_decay**count) ** 0.5
        rate = group["lr"] * size / (1 - mean_decay**count)
        tensors = list(zip(parameters, gradients, means, squares, strict=True))
        # Both moments are made like their parameter, so they need no look of their own.
        if has_native([*parameters, *gradients]):
            native_adam.update(tensors, mean_decay, square_decay, rate, eps * size, self._threads)
            return
        torch._foreach_lerp_(means, gradients, 1 - mean_decay)
        torch._foreach_mul_(squares, square_decay)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - square_decay)
        denominators = torch._foreach_sqrt(squares)
        torch._foreach_add_(denominators, eps * size)
        torch._foreach_addcdiv_(parameters, means, denominators, -rate)
