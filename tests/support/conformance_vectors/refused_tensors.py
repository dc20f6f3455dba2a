"""Segments whose layers, pieces or rules of arithmetic a decoder refuses (formats/nq.md, 3, 4 and 6)."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np

from conformance_vectors.build import Vector
from conformance_vectors.calm import Calm, calm_network, one_step_index
from conformance_vectors.coding import IntArray, Run, common, pack_network, piece, run
from conformance_vectors.containers import OPERATIONS, VIDEO
from conformance_vectors.extremes import REACH_VIDEO, STEP_VIDEO, of_large_steps, of_small_steps, reaching
from conformance_vectors.faults import (
    BIAS,
    BIAS_RUN,
    FORMAT,
    LATENT,
    LATENT_RUN,
    NETWORK,
    PIECES,
    SEED,
    TABLE,
    UNSUPPORTED,
    WEIGHT,
    WEIGHT_RUN,
    record,
    refused,
    segment,
    table,
    unchecked,
)
from nqcodec.bitstream.layers import ADAPTIVE, CHANNEL_SCALES, CHANNEL_STEP_INDICES, CONTEXT, HADAMARD
from nqcodec.bitstream.reader import write_sv, write_uv
from nqcodec.entropy.coder import HALF_TOTAL, TOTAL, ArithmeticEncoder
from nqcodec.entropy.context import points
from nqcodec.entropy.models import AdaptiveModel, gaussian_events
from nqcodec.network import tables
from nqcodec.network.integer_network import Context, Hadamard, Int32
from nqcodec.network.operations import Conv, Planes

CONTEXT_TAIL = write_uv(1) + write_uv(40) + write_sv(30) + write_uv(10)
"""Mask, base and weights of a context model of neighbour 0."""

PLAIN_CONTEXT = Context(40, (30, *[0] * 13), (10, *[0] * 13))
"""The same."""


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from formats()
    yield from records()
    yield from flags()
    yield from contexts()
    yield from pieces()
    yield from lists()
    yield from arithmetic()


def formats() -> Iterator[Vector]:
    """Widths and fractional bits outside their range."""
    for name, width, frac in (("width-7", 7, 7), ("width-15", 15, 10), ("frac-21", 14, 21)):
        network = calm_network(VIDEO, OPERATIONS, Calm(SEED))
        network.layers[0].width, network.layers[0].frac = width, frac
        network.layers[1].tensors["bias"].step_indices -= 8 * max(0, frac - 10)  # else its rescale is a second fault
        purpose = f"A map's {name.replace('-', ' ')}."
        yield refused(f"format-{name}", purpose, unchecked(network, VIDEO), FORMAT, "refused:map-format")


def other_bits(bits: int, legal: bytes) -> bytes:
    """A legal record with other bits, which alone change nothing that a Gaussian decodes."""
    return bytes([bits]) + legal[1:]


def records() -> Iterator[Vector]:
    """Fields of records outside their range."""
    for name, purpose, layers in (
        ("weight-1-bit", "A weight of one bit.", table(weight=other_bits(1, WEIGHT))),
        ("weight-9-bits", "A weight of nine bits.", table(weight=other_bits(9, WEIGHT))),
        ("bias-17-bits", "A bias of 17 bits.", table(bias=other_bits(17, BIAS))),
        ("latent-13-bits", "A latent of 13 bits.", table(latent=other_bits(13, LATENT))),
    ):
        yield refused(f"record-{name}", purpose, segment(table=layers), FORMAT, "refused:record")
    for name, purpose, scale, offset in (
        ("offset", "An offset of 32 for 6 bits.", 20, 32),
        ("scale-64", "A scale index of 64.", 64, 0),
    ):
        tail = write_sv(offset) + bytes([scale])
        latent = record(6, step=latent_step(), tail=tail)
        data = segment(table=table(latent=latent), pieces=with_latents(legal_latents(), scale, offset))
        yield refused(f"record-{name}", purpose, data, FORMAT, "refused:record")
    entries, tail = run([0, 0, 0], 64), LATENT[-2:]
    for name, purpose, flag, fields, pieces_ in (
        (
            "step-scale-64",
            "A list of steps at scale index 64.",
            CHANNEL_STEP_INDICES,
            b"\x40" + tail,
            common(entries, LATENT_RUN, WEIGHT_RUN, BIAS_RUN),
        ),
        (
            "scale-scale-64",
            "A list of scales at scale index 64.",
            CHANNEL_SCALES,
            tail + b"\x40",
            own_latents(gaussian_piece(legal_latents(), tail[1]), entries),
        ),
    ):
        layers = table(latent=record(6, flag, latent_step(), fields))
        yield refused(f"record-{name}", purpose, segment(table=layers, pieces=pieces_), FORMAT, "refused:record")
    for name, used_width, gain in (("used-width-7", 7, 0), ("used-width-13", 13, 6), ("gain-7", 12, 7)):
        network = calm_network(VIDEO, OPERATIONS, Calm(SEED))
        network.layers[1].tensors["weight"].hadamard = Hadamard(used_width, gain)
        purpose = f"A Hadamard domain of used width {used_width} and gain {gain}."
        yield refused(f"record-{name}", purpose, unchecked(network, VIDEO), FORMAT, "refused:record")
    cut = segment(table=TABLE[:5], pieces=b"")
    yield refused("record-cut", "A payload that ends within a record.", cut, FORMAT, "refused:payload-end")
    for name, step, network in (("321", 321, of_large_steps(321)), ("minus-321", -321, of_small_steps(-321))):
        data = unchecked(network, STEP_VIDEO)
        yield refused(f"step-{name}", f"A step index of {step}.", data, FORMAT, "refused:step")
    for base in (321, -321):
        layers = table(latent=record(6, CHANNEL_STEP_INDICES, base, b"\x3f" + tail))
        back = run([latent_step() - base] * 3, 63)
        data = segment(table=layers, pieces=common(back, LATENT_RUN, WEIGHT_RUN, BIAS_RUN))
        purpose = f"A base step index of {base} whose list brings every step back into range."
        yield refused(f"step-base-{'minus-' * (base < 0)}321", purpose, data, FORMAT, "refused:step")


def latent_step() -> int:
    """Step index of the legal file's latent."""
    return int(NETWORK.layers[0].tensors["latent"].step_indices[0])


def legal_latents() -> Int32:
    """The legal file's latents, int32 [36]."""
    return NETWORK.layers[0].tensors["latent"].values.ravel().copy()


def with_latents(values: IntArray, scale: int, offset: int = 0) -> bytes:
    """The legal file's pieces with other latents, at any scale index and offset."""
    return common(run(values, scale, offset), WEIGHT_RUN, BIAS_RUN)


def own_latents(data: bytes, *lists: Run) -> bytes:
    """Pieces where latents have a piece of their own, and lists of theirs lead the common sequence."""
    return common(*lists, WEIGHT_RUN, BIAS_RUN) + piece(data)


def adaptive_piece(bits: int) -> bytes:
    """The legal file's latents in the adaptive model of any bits."""
    model = AdaptiveModel(bits)
    return coded([interval for value in legal_latents().tolist() for interval in model.events(value)])


def gaussian_piece(values: Int32, scale: int, offset: int = 0) -> bytes:
    """A piece of any values at any scale index and offset."""
    lows, highs = gaussian_events(values, np.full(values.size, scale, np.int32), offset)
    return coded(list(zip(lows.tolist(), highs.tolist(), strict=True)))


def flags() -> Iterator[Vector]:
    """Flags of another version, and flags that contradict one another."""
    for bit in (5, 6, 7):
        data = segment(table=table(latent=record(6, 1 << bit)))
        yield refused(
            f"flags-bit-{bit}", f"Flag bit {bit}, of a later version.", data, UNSUPPORTED, "refused:newer-flags"
        )
    domain, three, six = b"\x0a\0", run([0] * 3, 20), run([0] * 6, 20)
    for name, purpose, layers, pieces_ in (
        (
            "adaptive-scales",
            "Scales in the adaptive model.",
            table(latent=record(6, ADAPTIVE | CHANNEL_SCALES, latent_step(), b"\x14")),
            own_latents(adaptive_piece(6), three),
        ),
        (
            "bias-steps",
            "A step a channel for a bias.",
            table(bias=bytes([BIAS[0], CHANNEL_STEP_INDICES]) + BIAS[2:-2] + b"\x14" + BIAS[-2:]),
            common(LATENT_RUN, WEIGHT_RUN, six, BIAS_RUN),
        ),
        ("latent-hadamard", "A latent's Hadamard domain.", table(latent=flagged(LATENT, HADAMARD) + domain), PIECES),
        ("bias-hadamard", "A bias's Hadamard domain.", table(bias=flagged(BIAS, HADAMARD) + domain), PIECES),
        (
            "weight-context",
            "The context model for a weight.",
            table(weight=record(6, CONTEXT, 0, CONTEXT_TAIL)),
            common(LATENT_RUN, BIAS_RUN) + piece(gaussian_piece(WEIGHT_RUN[0].astype(np.int32), WEIGHT_RUN[1])),
        ),
        (
            "context-adaptive",
            "The adaptive and the context model at once.",
            table(latent=record(6, CONTEXT | ADAPTIVE, latent_step(), CONTEXT_TAIL)),
            own_latents(context_piece(PLAIN_CONTEXT, legal_latents())),
        ),
        (
            "context-scales",
            "A scale a channel in the context model.",
            table(latent=record(6, CONTEXT | CHANNEL_SCALES, latent_step(), CONTEXT_TAIL)),
            own_latents(context_piece(PLAIN_CONTEXT, legal_latents()), three),
        ),
    ):
        data = segment(table=layers, pieces=pieces_)
        yield refused(f"flags-{name}", purpose, data, FORMAT, "refused:flags-contradict")
    layers = table(latent=record(9, ADAPTIVE, latent_step(), b""))
    data = segment(table=layers, pieces=own_latents(adaptive_piece(9)))
    yield refused("flags-adaptive-9-bits", "The adaptive model for 9 bits.", data, FORMAT, "refused:flags-contradict")
    yield depthwise_hadamard()


def flagged(legal: bytes, flag: int) -> bytes:
    """A legal record with another flag."""
    return bytes([legal[0], legal[1] | flag]) + legal[2:]


def depthwise_hadamard() -> Vector:
    """A depthwise weight with bit 3."""
    chain = [OPERATIONS[0], Conv((0,), 3, 1, True), Conv((1,), 6, 1), Planes((2,), 2)]
    network = calm_network(VIDEO, chain, Calm(SEED))
    network.layers[1].tensors["weight"].hadamard = Hadamard(10, 0)
    purpose = "A depthwise weight's Hadamard domain."
    return refused("flags-depthwise-hadamard", purpose, unchecked(network, VIDEO), FORMAT, "refused:flags-contradict")


def context_piece(context: Context, values: Int32) -> bytes:
    """Latents [2, 3, 3, 4] of any size in a context model of any weights, unchecked."""
    with patch("nqcodec.entropy.context.check"):
        lows, highs = points(values.reshape(2, 3, 3, 4), 6, context).events(0, values.size)
    return coded(list(zip(lows.tolist(), highs.tolist(), strict=True)))


def contexts() -> Iterator[Vector]:
    """Weights of a context model outside their range; the values are coded with them all the same."""
    for name, purpose, base, mean, spread in (
        ("base-65536", "A base of 65,536.", 65536, 30, 10),
        ("mean-256", "A mean weight of 256.", 40, 256, 10),
        ("mean-minus-257", "A mean weight of -257.", 40, -257, 10),
        ("spread-256", "A spread weight of 256.", 40, 30, 256),
    ):
        tail = write_uv(1) + write_uv(base) + write_sv(mean) + write_uv(spread)
        first = context_piece(Context(base, (mean, *[0] * 13), (spread, *[0] * 13)), legal_latents())
        layers = table(latent=record(6, CONTEXT, latent_step(), tail))
        yield refused(
            f"context-{name}", purpose, segment(table=layers, pieces=own_latents(first)), FORMAT, "refused:context"
        )
    first = own_latents(context_piece(PLAIN_CONTEXT, legal_latents()))
    one = write_sv(30) + write_uv(10)
    for name, purpose, tail in (
        ("mask", "A mask of 15 neighbours.", write_uv(1 | 1 << 14) + write_uv(40) + one + write_sv(1) + write_uv(1)),
        ("base-0", "A base of 0.", write_uv(1) + b"\0" + one),
        ("no-weight", "A neighbour in the mask without a weight.", write_uv(3) + write_uv(40) + one + b"\0\0"),
    ):
        data = segment(table=table(latent=record(6, CONTEXT, latent_step(), tail)), pieces=first)
        yield refused(f"context-{name}", purpose, data, FORMAT, "refused:context")


def coded(events: list[tuple[int, int]]) -> bytes:
    """A piece of given events."""
    encoder = ArithmeticEncoder()
    for low, high in events:
        encoder.encode(low, high)
    return encoder.finish()


def pieces() -> Iterator[Vector]:
    """Pieces of a wrong length, and events that no legal piece has."""
    length, first = PIECES[0], PIECES[1:]
    own = table(latent=record(6, ADAPTIVE, latent_step(), b""))
    for name, purpose, data in (
        ("too-long", "A piece with a byte more than its events take.", segment(pieces=piece(first + b"\0"))),
        ("too-short", "A piece without its last byte.", segment(pieces=piece(first[:-1]))),
        ("empty", "A piece of no bytes.", segment(pieces=piece(b""))),
        ("beyond-payload", "A piece that is longer than the payload.", segment(pieces=write_uv(9999) + PIECES[1:])),
        ("length-long", "A piece's length in a longer form.", segment(pieces=bytes([length | 128, 0]) + PIECES[1:])),
        ("missing", "A payload without its last piece.", segment(table=own, pieces=common(WEIGHT_RUN, BIAS_RUN))),
        ("trailing", "A byte after the last piece.", segment(pieces=PIECES + b"\0")),
        ("one-more", "A piece after the last.", segment(pieces=PIECES + piece(first))),
        (
            "small-tensor-of-its-own",
            "Latents of 36 values in a piece of their own, as those of more than 4,096 have.",
            segment(pieces=own_latents(gaussian_piece(legal_latents(), LATENT_RUN[1]))),
        ),
        (
            "common-cut-by-tensor",
            "A piece of the common sequence for each tensor.",
            segment(pieces=common(LATENT_RUN) + common(WEIGHT_RUN) + common(BIAS_RUN)),
        ),
        (
            "own-first",
            "A tensor's own piece before the common sequence.",
            segment(table=own, pieces=piece(adaptive_piece(6)) + common(WEIGHT_RUN, BIAS_RUN)),
        ),
    ):
        yield refused(f"piece-{name}", purpose, data, FORMAT, "refused:piece-length")
    yield from bad_values()
    yield from escapes()


def bad_values() -> Iterator[Vector]:
    """Values outside their tensor's bits, in each model that can say so."""
    values = legal_latents()
    values[5] = 32
    layers = table(latent=record(6, tail=b"\0\x14"))
    data = segment(table=layers, pieces=with_latents(values, 20))
    yield refused("value-gaussian", "A latent of 32 in 6 bits, in the common sequence.", data, FORMAT, "refused:value")
    layers = table(latent=record(6, CHANNEL_SCALES, tail=b"\0\x14\x14"))
    data = segment(table=layers, pieces=own_latents(gaussian_piece(values, 20), run([0, 0, 0], 20)))
    yield refused(
        "value-gaussian-own", "A latent of 32 in 6 bits, in a piece of its own.", data, FORMAT, "refused:value"
    )
    layers = table(latent=record(6, CONTEXT, -40, CONTEXT_TAIL))
    data = segment(table=layers, pieces=own_latents(context_piece(PLAIN_CONTEXT, values)))
    yield refused("value-context", "A latent of 32 in 6 bits, in the context model.", data, FORMAT, "refused:value")


def escapes() -> Iterator[Vector]:
    """Escapes beyond what tensors hold."""
    values = np.concatenate([legal_latents(), WEIGHT_RUN[0], BIAS_RUN[0]]).astype(np.int32)
    scales = np.repeat([20, WEIGHT_RUN[1], BIAS_RUN[1]], [LATENT_RUN[0].size, WEIGHT_RUN[0].size, BIAS_RUN[0].size])
    lows, highs = gaussian_events(values, scales.astype(np.int32), 0)
    layers = table(latent=record(6, tail=b"\0\x14"))
    cumulative, half_width = tables.gaussian().cumulative[20], int(tables.gaussian().half_width[20])
    escape = (int(cumulative[2 * half_width + 1]), int(cumulative[2 * half_width + 2]))
    zero, one = (0, HALF_TOTAL), (HALF_TOTAL, TOTAL)
    first = gaussian_events(values[:1], scales[:1].astype(np.int32), 0)[0].size
    rest = list(zip(lows.tolist(), highs.tolist(), strict=True))[first:]
    for name, purpose, zeros, feature in (
        ("endless", "An escape that begins with 20 bits of 0.", 20, "refused:escape"),
        ("longest", "An escape of 20 bits, more than any tensor holds.", 19, "refused:value"),
    ):
        data = coded([escape, zero, *[zero] * zeros, one, *[zero] * zeros, *rest])
        spoilt = segment(table=layers, pieces=piece(data))
        yield refused(f"escape-{name}", purpose, spoilt, FORMAT, feature)


def lists() -> Iterator[Vector]:
    """Lists of steps and of scales that leave their range."""
    for name, purpose, network in (
        ("steps", "A step index of 321 by its list.", of_large_steps(300, 310, 290, 321)),
        ("steps-low", "A step index of -321 by its list.", of_small_steps(-300, -321, -310, -290)),
    ):
        yield refused(f"list-{name}", purpose, unchecked(network, STEP_VIDEO), FORMAT, "refused:list")
    values = legal_latents()
    for name, purpose, base, entries in (
        ("scales", "A scale index of 64 by its list.", 63, [0, -3, 1]),
        ("scales-low", "A scale index of -1 by its list.", 0, [-1, 0, 4]),
    ):
        scales = np.repeat(np.tile(np.array(entries, np.int32) + base, 2), values.size // 6)
        lows, highs = gaussian_events(values, np.maximum(scales, 0), 0)
        first = own_latents(coded(list(zip(lows.tolist(), highs.tolist(), strict=True))), run(entries, 20))
        layers = table(latent=record(6, CHANNEL_SCALES, latent_step(), bytes([0, base, 20])))
        data = segment(table=layers, pieces=first)
        yield refused(f"list-{name}", purpose, data, FORMAT, "refused:list")


def weight_step() -> int:
    """Step index of the legal file's weight."""
    return int(NETWORK.layers[1].tensors["weight"].step_indices[0])


def arithmetic() -> Iterator[Vector]:
    """Rescales whose shift leaves its range, and accumulators that can overflow."""
    for name, purpose, index, tensor, step in (
        ("grid-shift-0", "A grid rescaled by 2^15: a shift of 0.", 0, "latent", 120 - 8 * (10 - 16)),
        ("grid-shift-47", "A grid rescaled by a shift of 47.", 0, "latent", -249 - 8 * (10 - 16)),
        ("conv-shift-0", "A convolution rescaled by a shift of 0.", 1, "weight", 120 - 8 * (12 - 10)),
        ("conv-shift-47", "A convolution rescaled by a shift of 47.", 1, "weight", -249 - 8 * (12 - 10)),
        ("bias-shift-0", "A bias rescaled by a shift of 0.", 1, "bias", weight_step() + 120 - 80),
        ("bias-shift-47", "A bias rescaled by a shift of 47.", 1, "bias", -318),
    ):
        network = calm_network(VIDEO, OPERATIONS, Calm(SEED))
        chosen = network.layers[index].tensors[tensor]
        chosen.step_indices = one_step_index(step)
        if name == "bias-shift-47":
            network.layers[1].tensors["weight"].step_indices = one_step_index(20)
        program, layers, values = pack_network(network)
        yield refused(f"rescale-{name}", purpose, segment(program, layers, values), FORMAT, "refused:rescale")
    for name, purpose, weight, bias in (
        ("weights", "Weights whose accumulator can reach 2^31.", -128, 0),
        ("bias", "A bias by which an accumulator can reach 2^31.", 127, 8192),
        ("negative-bias", "A negative bias of that magnitude.", 127, -8192),
    ):
        data = unchecked(reaching(weight, bias), REACH_VIDEO)
        yield refused(f"accumulator-{name}", purpose, data, FORMAT, "refused:accumulator")
