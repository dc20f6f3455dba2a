"""The scale of convolution weights at the start of a fit."""

from __future__ import annotations

from nqcodec.network.motion import vector_grids
from nqcodec.network.operations import Add, Conv, Grid, Upsample
from nqcodec.network.program import Program

RESIDUAL_SCALE = 0.1
"""Factor on the initial weights of the last convolution of a residual branch, so that a block first passes its input
on.

At full scale every block adds to the maps' variance: gated NeRV++ networks then lost frames for good, whose head had
saturated before the first iteration.
"""

HEAD_SCALE = 0.3
"""Factor on the initial weights of a head that reads sums, which unlike a GELU's output have a variance of about 1,
while samples are within 0.5."""

POINTWISE_SCALE = 6**-0.5
"""Factor on the initial weights of a pointwise synthesis beside 1 / outputs^2: the start of Cool-Chic's synthesis. At
full scale such a fit of 1,500 iterations ended 1.9 dB lower, with latents that the first output had to overcome."""


def has_pointwise_synthesis(program: Program) -> bool:
    """Whether 1x1 convolutions alone make the samples from latents that were enlarged before, but for residuals f(x) in
    x + f(x) of one convolution that refine them."""
    operations, refining = program.operations, _single_residuals(program)
    convs = {index: op for index, op in enumerate(operations) if isinstance(op, Conv)}
    enlarged = [index for index, op in enumerate(operations) if isinstance(op, Upsample)]
    if not convs or not enlarged or enlarged[0] > min(convs):
        return False
    return all(op.kernel == 1 or index in refining for index, op in convs.items())


def start_scales(program: Program) -> dict[int, float]:
    """By operation index, the factor on a convolution's usual initial weights, or on a grid's latents; those of others
    do not change.

    Vectors start at 0: nothing is displaced where no search has found how far. Convolutions of programs without
    residual branches keep it, and so do branches of one convolution: they start no less well at full size, and a fit
    that charges for bits would take a faint one away.
    """
    if has_pointwise_synthesis(program):
        return _pointwise_scales(program)
    scales = dict.fromkeys(_branch_ends(program), RESIDUAL_SCALE)
    if scales:
        head = program.operations[-1].inputs[0]
        scales[head] = HEAD_SCALE
    return scales | dict.fromkeys(vector_grids(program), 0.0)


def _pointwise_scales(program: Program) -> dict[int, float]:
    """The start of a pointwise synthesis: faint, with latents and residual branches at 0."""
    residuals, scales = _single_residuals(program), dict[int, float]()
    for index, op in enumerate(program.operations):
        if isinstance(op, Conv) and index not in residuals:
            scales[index] = POINTWISE_SCALE / op.out_channels**2
        elif isinstance(op, Grid) or index in residuals:
            scales[index] = 0.0
    return scales


def _single_residuals(program: Program) -> set[int]:
    """Convolutions f in x + f(x): added to the map that they read."""
    operations = program.operations
    pairs = [pair for op in operations if isinstance(op, Add) for pair in (op.inputs, op.inputs[::-1])]
    return {
        branch
        for branch, other in pairs
        if isinstance(operations[branch], Conv) and operations[branch].inputs == (other,)
    }


def _branch_ends(program: Program) -> list[int]:
    """Convolutions f in x + f(x): added to a map that they depend on, and read by nothing else."""
    operations = program.operations
    readers = [[op for op in operations if index in op.inputs] for index in range(len(operations))]
    ends = []
    for op in operations:
        if not isinstance(op, Add):
            continue
        for branch, other in (op.inputs, op.inputs[::-1]):
            last = operations[branch]
            if not isinstance(last, Conv) or len(readers[branch]) != 1 or other in last.inputs:
                continue
            if _depends(program, branch, other):
                ends.append(branch)
    return ends


def _depends(program: Program, index: int, on: int) -> bool:
    """Whether the map of operation `index` is computed from that of `on`."""
    reached: set[int] = set()
    rest = [index]
    while rest:
        place = rest.pop()
        if place not in reached:
            reached.add(place)
            rest.extend(program.operations[place].inputs)
    return on in reached and on != index
