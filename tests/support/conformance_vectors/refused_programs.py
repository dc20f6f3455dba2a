"""Segments whose program a decoder refuses (formats/nq.md, 1, 5 and 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance_vectors.build import File, Part, Vector, leveled
from conformance_vectors.faults import (
    FORMAT,
    LATENT,
    LEVELS,
    LIMIT,
    MD5,
    PIECES,
    PROGRAM,
    TABLE,
    UNSUPPORTED,
    refused,
    segment,
)
from nqcodec.bitstream.operations import pack_program
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import Add, Conv, Grid, Mul, Norm, Operation, Planes, Tile, Upsample
from nqcodec.network.program import Program

GRID = "01 02 03 03 04"
"""The legal program's grid [2, 3, 3, 4]; its picture is 8x6 in 4:2:0."""
CONV = "02 01 06 01 00 00"
PLANES = "04 01 02"

SYNTAX = {
    "no-operation": ("A program of no operations.", "00"),
    "4097-operations": ("A program of 4,097 operations.", f"81 20 {GRID} " + "07 01 01 " * 4095 + PLANES),
    "uv-long": ("The number of operations in two bytes where one serves.", f"83 00 {GRID} {CONV} {PLANES}"),
    "uv-six-bytes": ("An integer of six bytes.", f"03 01 82 80 80 80 80 00 03 03 04 {CONV} {PLANES}"),
    "uv-33-bits": ("An integer of 33 bits.", f"03 01 82 80 80 80 10 03 03 04 {CONV} {PLANES}"),
    "distance-0": ("An operation that reads itself.", f"03 {GRID} 02 00 06 01 00 00 {PLANES}"),
    "distance-too-far": ("An operation that reads what is before the first.", f"03 {GRID} 02 02 06 01 00 00 {PLANES}"),
    "depthwise-2": ("A convolution that is neither dense nor depthwise.", f"03 {GRID} 02 01 06 01 02 00 {PLANES}"),
    "concat-0": ("A concat of no maps.", f"04 {GRID} 06 00 {CONV} {PLANES}"),
    "concat-17": ("A concat of 17 maps.", f"04 {GRID} 06 11 " + "01 " * 17 + f"{CONV} {PLANES}"),
    "planes-ratio-17": ("A planes ratio of 17.", f"03 {GRID} {CONV} 04 01 11"),
    "planes-ratio-0": ("A planes ratio of 0.", f"03 {GRID} {CONV} 04 01 00"),
    "frequency-too-long": ("A list of steps beyond the payload.", "02 0a ff ff ff ff 0f 00 04 01 02"),
}

SHAPES = {
    "planes-first": ("Planes that are not the last operation.", f"04 {GRID} {CONV} {PLANES} 07 02 02"),
    "planes-missing": ("A program without planes.", f"02 {GRID} {CONV}"),
    "planes-read": ("Planes that another operation reads.", f"04 {GRID} {CONV} {PLANES} 04 01 01"),
    "planes-channels": ("A head of seven channels for 4:2:0 at ratio 2.", f"03 {GRID} 02 01 07 01 00 00 {PLANES}"),
    "planes-odd-ratio": ("A head at ratio 3 for 4:2:0.", f"03 {GRID} {CONV} 04 01 03"),
    "picture-not-covered": ("A map of 3 columns less than the picture.", f"03 01 02 03 03 03 {CONV} {PLANES}"),
    "grid-no-times": ("A grid of no times.", f"03 01 00 03 03 04 {CONV} {PLANES}"),
    "grid-no-rows": ("A grid of no rows.", f"03 01 02 03 00 04 {CONV} {PLANES}"),
    "conv-even-kernel": ("A 2 x 2 kernel.", f"03 {GRID} 02 01 06 02 00 00 {PLANES}"),
    "conv-depthwise-channels": ("A depthwise 3 to 6 channels.", f"03 {GRID} 02 01 06 01 01 00 {PLANES}"),
    "shuffle-channels": ("3 channels shuffled by 2.", f"04 {GRID} 03 01 02 {CONV} {PLANES}"),
    "shuffle-0": ("A shuffle by 0.", f"04 {GRID} 03 01 00 {CONV} {PLANES}"),
    "fold-channels": ("3 channels folded into 2 rows.", f"04 {GRID} 0b 01 02 01 {CONV} {PLANES}"),
    "fold-0": ("A fold into no rows.", f"04 {GRID} 0b 01 00 01 {CONV} {PLANES}"),
    "upsample-0": ("An enlargement by 0.", f"04 {GRID} 05 01 00 03 04 {CONV} {PLANES}"),
    "upsample-17": ("An enlargement by 17.", f"04 {GRID} 05 01 11 03 04 {CONV} {PLANES}"),
    "upsample-too-high": ("7 rows from 3 enlarged by 2.", f"04 {GRID} 05 01 02 07 04 {CONV} {PLANES}"),
    "upsample-no-rows": ("An enlargement cropped to no rows.", f"04 {GRID} 05 01 02 00 04 {CONV} {PLANES}"),
    "concat-sizes": ("A concat of maps of two sizes.", f"05 {GRID} 0c 01 03 05 06 02 01 02 {CONV} {PLANES}"),
    "concat-heights": ("A concat of maps of two heights.", f"05 {GRID} 0c 01 04 04 06 02 01 02 {CONV} {PLANES}"),
    "add-shapes": ("A sum of 3 and 6 channels.", f"05 {GRID} {CONV} 07 01 02 {CONV} {PLANES}"),
    "mul-shapes": ("A product of maps of two sizes.", f"05 {GRID} 0c 01 03 05 08 02 01 {CONV} {PLANES}"),
    "norm-channels": ("A norm of 65,537 channels.", f"04 01 01 81 80 04 03 04 09 01 {CONV} {PLANES}"),
    "frequency-none": ("A frequency of no sines.", f"04 0a 00 0c 01 03 04 {CONV} {PLANES}"),
    "grid-times": ("A grid of 2^22 + 1 times.", f"03 01 81 80 80 02 03 03 04 {CONV} {PLANES}"),
    "tile-no-rows": ("A map tiled over no rows.", f"04 {GRID} 0c 01 00 04 {CONV} {PLANES}"),
}

VERSIONS = {
    "operation-0": ("Operation code 0.", f"03 {GRID} 00 01 {PLANES}"),
    "operation-255": ("An operation code of a later version.", f"03 {GRID} ff 01 {PLANES}"),
    "activation-255": ("An activation of a later version.", f"03 {GRID} 02 01 06 01 00 ff {PLANES}"),
}


def vectors() -> Iterator[Vector]:
    """All of this module."""
    for programs, error, feature in (
        (SYNTAX, FORMAT, "refused:program-syntax"),
        (SHAPES, FORMAT, "refused:program-shape"),
        (VERSIONS, UNSUPPORTED, "refused:newer-operation"),
    ):
        for name, (purpose, words) in programs.items():
            data = segment(bytes.fromhex(words))
            yield refused(f"program-{name}", purpose, data, error, feature)
    words = f"04 {GRID} 02 01 00 01 00 00 02 02 06 01 00 00 {PLANES}"
    layers = TABLE[: 2 + len(LATENT)] + TABLE[2 + len(LATENT) :] * 2
    data, purpose = segment(bytes.fromhex(words), layers), "A convolution of no channels, which nothing reads."
    yield refused("program-conv-no-channels", purpose, data, FORMAT, "refused:program-shape")
    cut = segment(PROGRAM[:-1], b"", b"", levels=LEVELS)
    yield refused("program-cut", "A payload that ends within the program.", cut, FORMAT, "refused:payload-end")
    yield from limits()


def limits() -> Iterator[Vector]:
    """Programs and headers that ask for more than each limit; nothing of that size is in the file."""
    one = Video(1, 1, 1, chroma=Chroma.C400)
    claims: list[tuple[str, str, list[Operation]]] = []
    small = Grid((), 1, 1, 1, 1)
    claims.append(("parameters", "2^26 + 1 integers in a tensor", [Grid((), 253241, 1, 5, 53), Planes((0,), 1)]))
    claims.append(
        (
            "macs",
            "more than 2^22 multiply-accumulates a pixel, by a map far larger than the picture",
            [small, Tile((0,), 2048, 2049), Conv((1,), 1, 1), Planes((2,), 1)],
        )
    )
    claims += each_cost(small)
    claims.append(
        (
            "map-bytes",
            "more than 2^31 bytes for a map that nothing reads",
            [Grid((), 1, 64, 1, 1), Tile((0,), 4096, 4097), Conv((0,), 1, 1), Planes((2,), 1)],
        )
    )
    claims.append(
        (
            "coded-pixels-by-ratio",
            "more than 2^26 coded pixels, 16 x 16 of each map position",
            [Grid((), 1, 256, 1, 1), Tile((0,), 512, 513), Planes((1,), 16)],
        )
    )
    claims.append(("coded-pixels", "more than 2^26 coded pixels", [small, Tile((0,), 8192, 8193), Planes((1,), 1)]))
    for name, what, operations in claims:
        yield refused(
            f"limit-{name}", f"A program that asks for {what}.", asking(one, operations), LIMIT, f"limit:{name}"
        )
    for name, what, video in (
        ("frames", "2^24 + 1 frames", Video(1, 1, (1 << 24) + 1, chroma=Chroma.C400)),
        ("picture", "a picture of 8193x8192", Video(8193, 8192, 1, chroma=Chroma.C400)),
        ("largest", "all that its fields hold", Video(*[(1 << 32) - 1] * 3, chroma=Chroma.C400)),
    ):
        operations = [small, Tile((0,), 8192, 8193), Planes((1,), 1)] if name != "frames" else [small, Planes((0,), 1)]
        body = leveled(one, pack_program(Program.of(operations, one)) + TABLE + PIECES)
        data = File(video, [Part(video.frames, MD5, body)]).data()
        yield refused(f"limit-{name}", f"A header that asks for {what}.", data, LIMIT, f"limit:{name}")


def each_cost(small: Grid) -> Iterator[tuple[str, str, list[Operation]]]:
    """Programs over the limit on multiply-accumulates, or on live maps, by one operation's cost alone."""
    wide = [small, Tile((0,), 1024, 1025)]
    rest = [Tile((2,), 1, 1), Planes((3,), 1)]
    yield (
        "macs-grid",
        "more than 2^22 multiply-accumulates a pixel by a grid",
        [
            Grid((), 1, 1, 1024, 2049),
            Tile((0,), 1, 1),
            Planes((1,), 1),
        ],
    )
    yield "macs-upsample", "more by an enlargement", [*wide, Upsample((1,), 1, 1024, 1025), *rest]
    yield "macs-norm", "more by a norm", [*wide, Norm((1,)), *rest]
    for name, operation in (("add", Add((1, 1))), ("mul", Mul((1, 1)))):
        square = [small, Tile((0,), 2048, 2049), operation]
        yield f"macs-{name}", f"more by a {operation.name}", [*square, *rest]
    yield (
        "live-maps",
        "more than 2^31 bytes for two maps, the first of which is read after the second is made",
        [
            Grid((), 1, 64, 1, 1),
            Tile((0,), 4096, 2049),
            Tile((0,), 4096, 2049),
            Tile((1,), 1, 1),
            Conv((3,), 1, 1),
            Planes((4,), 1),
        ],
    )


def asking(video: Video, operations: Sequence[Operation]) -> bytes:
    """A file of a program without its tensors: a decoder that comes to look for them has not minded the limit."""
    body = leveled(video, pack_program(Program.of(list(operations), video)) + TABLE + PIECES)
    return File(video, [Part(video.frames, MD5, body)]).data()
