"""The scale of convolution weights at the start of a fit."""

from __future__ import annotations

from nqcodec.network.operations import Add, Conv, Upsample, Warp
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

VECTOR_SCALE = 0.1
"""Factor on the initial weights of the convolution that gives a warp's vectors. Vectors that start small do not
displace parts of the picture that stand still."""


def start_scales(program: Program) -> dict[int, float]:
    """By operation index, the factor on a convolution's usual initial weights; those of others do not change.

    Programs without residual branches keep it everywhere, and so do branches of one convolution: they start no less
    well at full size, and a fit that charges for bits would take a faint one away.
    """
    scales = dict.fromkeys(_branch_ends(program), RESIDUAL_SCALE)
    if scales:
        head = program.operations[-1].inputs[0]
        scales[head] = HEAD_SCALE
    return scales | dict.fromkeys(_vector_sources(program), VECTOR_SCALE)


def _vector_sources(program: Program) -> list[int]:
    """Convolutions whose maps, enlarged or not, are the vectors of a warp."""
    operations, sources = program.operations, []
    for op in operations:
        if isinstance(op, Warp):
            source = op.inputs[1]
            while isinstance(operations[source], Upsample):
                source = operations[source].inputs[0]
            sources.append(source)
    return [source for source in sources if isinstance(operations[source], Conv)]


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
