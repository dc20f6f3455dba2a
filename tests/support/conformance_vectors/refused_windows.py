"""Windows that a decoder refuses (formats/nq.md, 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance_vectors.build import File, Part, Vector, part
from conformance_vectors.calm import Calm, calm_network
from conformance_vectors.coding import pack_network
from conformance_vectors.faults import FORMAT, LIMIT, refused
from conformance_vectors.refused_programs import asking
from conformance_vectors.windows import LAST_FRAME, VIEW, path_bytes
from nqcodec.bitstream.levels import LEVELS_BYTES
from nqcodec.bitstream.operations import pack_program
from nqcodec.bitstream.reader import write_uv
from nqcodec.media.video import Chroma, Video
from nqcodec.network.camera_path import Knot
from nqcodec.network.operations import Grid, Planes, Tile, Window
from nqcodec.network.program import Program

BITS, ROWS, COLUMNS = 3, 4 << 3, 5 << 3
"""Fractional bits, and the greatest row and column of a path, with the map below."""

CLIP = VIEW.with_frames(4)
START: Knot = (0, 9, 12)
GRID = Grid((), 1, 1, 10, 13)
REST = (START,)
WINDOW = Window((0,), 6, 8, 1, BITS, REST)
HOW = Calm(1100, latent_bits=8, frac=12)
FEATURES = ("operation:window", "refused:window")

PATHS: dict[str, tuple[str, tuple[Knot, ...], tuple[Knot, ...]]] = {
    "row-before": ("A path one step above its map.", ((0, -1, 12),), ((0, 0, 12),)),
    "row-beyond": ("A path one step below its map.", ((0, ROWS + 1, 12),), ((0, ROWS, 12),)),
    "column-before": ("A path one step to the left of its map.", ((0, 9, -1),), ((0, 9, 0),)),
    "column-beyond": ("A path one step to the right of its map.", ((0, 9, COLUMNS + 1),), ((0, 9, COLUMNS),)),
    "row-beyond-later": (
        "A path that leaves its map after the last frame of the segment.",
        (START, (3, 9, 12), (100, ROWS + 1, 12)),
        REST,
    ),
    "column-before-later": (
        "A path that leaves its map, and comes back, after the last frame of the segment.",
        (START, (3, 9, 12), (100, 9, -1), (101, 9, 12)),
        REST,
    ),
    "knot-repeated": ("Two knots at one frame.", (START, (0, 30, 33)), ((0, 30, 33),)),
    "knot-repeated-later": ("Two knots at one frame after the segment.", (START, (9, 9, 12), (9, 9, 13)), REST),
    "knots-out-of-order": (
        "A knot before the last one, by a difference that wraps in 32 bits.",
        ((8, 9, 12), (4, 9, 12)),
        REST,
    ),
    "knot-frame": ("A knot at frame 2^24.", (START, (LAST_FRAME + 1, 9, 12)), REST),
    "4097-knots": ("A path of 4,097 knots.", tuple((k, 9 + k % 2, 12) for k in range(4097)), ()),
}
"""Purpose, path, and the path of a decoder that does not mind the fault; empty for the same."""

FIELDS = {
    "ratio-0": ("Cells of no places.", replace(WINDOW, ratio=0)),
    "ratio-17": ("Cells of 17 x 17 places.", replace(WINDOW, ratio=17)),
    "ratio-2": ("Cells of 2 x 2 places in a map that is large enough for cells of one.", replace(WINDOW, ratio=2)),
    "bits-9": ("Nine fractional bits.", replace(WINDOW, bits=9, knots=((0, 0, 0),))),
    "bits-255": ("255 fractional bits.", replace(WINDOW, bits=255, knots=((0, 0, 0),))),
    "no-rows": ("A window of no rows.", replace(WINDOW, height=0)),
    "no-columns": ("A window of no columns.", replace(WINDOW, width=0)),
    "too-high": ("A window of a row more than its map.", replace(WINDOW, height=11, knots=((0, 0, 12),))),
    "too-wide": ("A window of a column more than its map.", replace(WINDOW, width=14, knots=((0, 9, 0),))),
    "height-wraps": (
        "A window of 2^28 rows of cells of 16, which are 0 in 32 bits.",
        replace(WINDOW, height=1 << 28, width=1, ratio=16),
    ),
}


def vectors() -> Iterator[Vector]:
    """All of this module."""
    for name, (purpose, knots, played) in PATHS.items():
        data = faulty(with_path(WINDOW, path_bytes(knots)), played or knots[:4])
        yield refused(f"program-window-{name}", purpose, data, FORMAT, *FEATURES)
    for name, (purpose, window) in FIELDS.items():
        yield refused(f"program-window-{name}", purpose, faulty(with_path(window), window.knots), FORMAT, *FEATURES)
    yield from missing_paths()
    yield from limits()


def with_path(window: Window, path: bytes | None = None) -> bytes:
    """The program with that window, its path in those bytes."""
    fields = write_uv(window.height) + write_uv(window.width) + bytes([window.ratio, window.bits])
    planes = bytes([4, 1, 1])
    head = pack_program(legal(REST)).partition(bytes([13, 1, 6, 8]))[0]
    return head + bytes([13, 1]) + fields + (path_bytes(window.knots) if path is None else path) + planes


def legal(knots: tuple[Knot, ...]) -> Program:
    """The legal program with another path."""
    return Program.of([GRID, replace(WINDOW, knots=knots), Planes((1,), 1)], CLIP)


def sealed_by(program: bytes, knots: tuple[Knot, ...]) -> Part:
    """A segment with any program, and the hash of the legal one with the path `knots`."""
    network = calm_network(CLIP, legal(knots).operations, HOW)
    _, table, pieces = pack_network(network)
    hashed = part(CLIP, network)
    return replace(hashed, body=hashed.body[:LEVELS_BYTES] + program + table + pieces)


def faulty(program: bytes, knots: tuple[Knot, ...]) -> bytes:
    """A file of one such segment."""
    return File(CLIP, [sealed_by(program, knots)]).data()


def missing_paths() -> Iterator[Vector]:
    """Windows without a path of their own where no window is before them, and knots that the payload does not hold."""
    for name, purpose, path in (
        ("no-path", "A first window that takes the path of the one before it.", b"\0"),
        ("knots-cut", "A path of 4,000 knots, for which the payload is too short.", write_uv(4000)),
    ):
        data = faulty(with_path(WINDOW, path), REST)
        yield refused(f"program-window-{name}", purpose, data, FORMAT, *FEATURES)
    parts = [sealed_by(with_path(WINDOW), REST), sealed_by(with_path(WINDOW, b"\0"), REST)]
    yield refused(
        "program-window-no-path-in-segment",
        "A first window of a segment that takes the path of the segment before.",
        File(CLIP, parts).data(),
        FORMAT,
        *FEATURES,
    )


def limits() -> Iterator[Vector]:
    """Windows over the limit on multiply-accumulates by their own cost."""
    one, path = Video(1, 1, 1, chroma=Chroma.C400), ((0, 0, 0),)
    small = Grid((), 1, 1, 1, 1)
    for name, what, window in (
        ("macs-window", "more by a window", Window((1,), 1024, 1040, 1, 0, path)),
        ("macs-window-cells", "more by a window's own map of 256 channels", Window((1,), 64, 65, 16, 0, path)),
    ):
        planes = Planes((3,), 1 if window.ratio == 1 else 16)
        data = asking(one, [small, Tile((0,), 1024, 1040), window, Tile((2,), 1, 1), planes])
        yield refused(f"limit-{name}", f"A program that asks for {what}.", data, LIMIT, f"limit:{name}", *FEATURES)
