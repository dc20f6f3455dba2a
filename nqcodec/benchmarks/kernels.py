"""Every kernel of every backend against the numpy reference, exactly, and timed in the same loop.

One operation at a time through libnq's hook, for each instruction set that this CPU has; inputs, outputs and scratch
end at pages that no access survives. CUDA, where a device is, runs the programs around the operations.
"""

from __future__ import annotations

import ctypes
from functools import partial
from typing import Any

import numpy as np

from nqcodec.benchmarks.guarded import GuardedArray, guarded_copy
from nqcodec.benchmarks.kernel_cases import KERNELS, PLANES, KernelCase, kernel_case, widened
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.benchmarks.timing import best, in_turns, timed
from nqcodec.errors import UnsupportedError
from nqcodec.native.loading import load_libnq, why_absent
from nqcodec.network.operations import Planes
from nqcodec.synthesis.cuda import CudaSynthesizer, why_no_device
from nqcodec.synthesis.descriptors import FlatProgram, check_status, plane_arguments
from nqcodec.synthesis.native import OptionFlag, options, synthesis_levels
from nqcodec.synthesis.reference import ReferenceSynthesizer, run_planes

TIMING_ROUNDS = 5


class Operation:
    """A case's operation in libnq, with guarded inputs and outputs, at any level; outputs are kept from run to run."""

    def __init__(self, case: KernelCase):
        library = load_libnq()
        if library is None:
            raise UnsupportedError(f"kernels: {why_absent('libnq')}")
        self._library, self._case = library, case
        self._flat = FlatProgram(case.network, case.video, case.video.frames)
        self._inputs = [guarded_copy(x) for x in case.inputs]
        program = case.network.program
        self.is_planes = isinstance(program.operations[case.index], Planes)
        shapes = case.video.plane_shapes if self.is_planes else (program.shapes[case.index],)
        self.outputs = [GuardedArray(shape, case.video.dtype if self.is_planes else np.int16) for shape in shapes]

    def run(self, level: str, flags: int = OptionFlag.GUARDED) -> None:
        """Fill the outputs."""
        pointers = (ctypes.c_void_p * max(1, len(self._inputs)))(*(x.array.ctypes.data for x in self._inputs))
        planes, strides, out = None, None, None
        if self.is_planes:
            planes, strides = plane_arguments([each.array for each in self.outputs], self._case.video)
        else:
            out = ctypes.c_void_p(self.outputs[0].array.ctypes.data)
        how, t = options(level, flags=flags), ctypes.c_int64(self._case.t)
        run = self._library.nq_run_operation
        descriptor = ctypes.byref(self._flat.descriptor)
        status = run(descriptor, ctypes.byref(how), self._case.index, t, pointers, out, planes, strides)
        check_status(status, f"kernel {level}")

    def difference(self, expected: list[np.ndarray[Any, np.dtype[Any]]]) -> str:
        """What is wrong with the outputs, empty if nothing is."""
        for index, (each, wanted) in enumerate(zip(self.outputs, expected, strict=True)):
            if not each.is_whole:
                return f"output {index}: bytes before it were written"
            if not np.array_equal(each.array, wanted):
                return f"output {index} of shape {wanted.shape}: {np.sum(each.array != wanted)} values differ"
        if not all(each.is_whole for each in self._inputs):
            return "bytes before an input were written"
        return ""


def expected_outputs(case: KernelCase) -> list[np.ndarray[Any, np.dtype[Any]]]:
    """The reference's map or planes."""
    program = case.network.program
    op = program.operations[case.index]
    if isinstance(op, Planes):
        return list(run_planes(case.inputs[0], op.ratio, case.network.map_format(case.index)[1], case.video))
    reference = ReferenceSynthesizer(case.network, case.video, case.video.frames)
    return [reference.map(case.index, dict(zip(op.inputs, case.inputs, strict=True)), case.t)]


def check_case(case: KernelCase, levels: tuple[str, ...]) -> list[str]:
    """What is wrong with the results of each level, and of CUDA where a device is; empty if all are exact."""
    expected, operation = expected_outputs(case), Operation(case)
    wrong = []
    for level in levels:
        for each in operation.outputs:
            each.array[...] = 77
        operation.run(level)
        if difference := operation.difference(expected):
            wrong.append(f"{level}: {case.network.program.operations[case.index]}: {difference}")
    if not why_no_device():
        frame = ReferenceSynthesizer(case.network, case.video, case.video.frames).frame(case.t)
        with CudaSynthesizer(case.network, case.video, case.video.frames) as cuda:
            if not all(np.array_equal(a, b) for a, b in zip(cuda.frame(case.t), frame, strict=True)):
                wrong.append(f"cuda: {case.network.program.operations[case.index]}: the frame differs")
    return wrong


def time_kernel(name: str, seed: int, levels: tuple[str, ...]) -> dict[str, float]:
    """Nanoseconds for each output value by level: the best of some runs, the levels in turns, one thread."""
    operation = Operation(kernel_case(name, np.random.default_rng([seed, 1]), large=True))
    values = sum(each.array.size for each in operation.outputs)
    turns = {level: timed(partial(operation.run, level, flags=0)) for level in levels}
    return {level: 1e9 * seconds / values for level, seconds in best(in_turns(turns, TIMING_ROUNDS)).items()}


def run(rounds: int, seed: int, only: str | None, with_times: bool) -> Measurement:
    """A row for each kernel whose name begins with `only`: cases, how many results were wrong, and times by level.

    Every second case is run again with inputs at the ends of their range.

    Raises:
        UnsupportedError: without libnq, or where pages cannot be protected.
    """
    levels = synthesis_levels()
    columns = [Column("kernel", "kernel"), Column("cases", "cases"), Column("wrong", "wrong results")]
    columns += [Column(level, level, "ns a value", 3) for level in levels if with_times]
    columns.append(Column("first_wrong", "the first that is wrong"))
    note = "Every case is compared with the numpy reference; the times are of one thread and of a large case."
    names = [name for name in [*KERNELS, PLANES] if name.startswith(only or "")]
    rows = (_row(name, rounds, seed, levels, with_times) for name in names)
    return Measurement("kernels", "Kernels against the reference", columns, rows, note)


def _row(name: str, rounds: int, seed: int, levels: tuple[str, ...], with_times: bool) -> Cells:
    rng, wrong, cases = np.random.default_rng([seed, *name.encode()]), list[str](), 0
    for number in range(rounds):
        case = kernel_case(name, rng)
        for each in (case, widened(case)) if number % 2 else (case,):
            wrong += check_case(each, levels)
            cases += 1
    times = time_kernel(name, seed, levels) if with_times else {}
    return {"kernel": name, "cases": cases, "wrong": len(wrong), "first_wrong": next(iter(wrong), None), **times}
