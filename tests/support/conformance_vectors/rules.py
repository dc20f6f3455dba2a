"""Which vectors exercise which rule of the specification.

A rule is a unit of formats/nq.md (`specification.py`). Patterns name its vectors, by feature or by name, as in a shell.
`SECTIONS` holds those of all units of a section, `RULES` those of units with a given fragment, which count instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import cache

from conformance_vectors import container_rules
from conformance_vectors.specification import SPECIFICATION, Unit, units

Patterns = tuple[str, ...]

CODED: Patterns = ("op-grid-*", "adaptive-*", "gaussian-*", "context-all-*", "refuse-piece-*")
"""Vectors of the arithmetic coder, whatever the model."""

ESCAPED: Patterns = ("model:escape", "refused:escape", "refuse-escape-longest")

DISPLACED: Patterns = ("op-warp-edge", "op-warp-*beyond", "op-warp-rounding-*", "op-warp-one-*", "op-warp-cubic-edge")
"""Vectors of a warp's places along both axes."""

BILINEAR: Patterns = ("op-warp-every-fraction*", "op-warp-extremes", "op-warp-edge", "op-warp-six-channels")
"""Vectors of what a warp of two taps does with values."""

SECTIONS: dict[str, Patterns] = {
    **container_rules.SECTIONS,
    "3.1": ("op-*", "pieces:*"),
    "3.2": CODED,
    "3.3": ("gaussian-*",),
    "3.4": ("adaptive-*",),
    "3.5": ("refused:value",),
    "3.6": ("context-*",),
    "4": ("op-*", "format-*", "refused:map-format"),
    "5": ("op-*", "backbone-*", "refused:program-*"),
    "6": ("op-*", "backbone-*", "random-*"),
    "6.1": ("rescale:*", "steps-by-channel", "refused:rescale"),
    "6.2": ("op-grid-*", "clamp:grid-*"),
    "6.3": ("op-conv-*", "op-depthwise-*"),
    "6.3.1": ("hadamard-*",),
    "6.4": ("op-shuffle", "op-fold"),
    "6.5": ("op-activation-*", "saturation-activations"),
    "6.6": ("op-planes-*", "picture-*"),
    "6.7": ("op-frequency", "operation:frequency"),
    "6.8": ("op-upsample-*",),
    "6.9": ("op-tile",),
    "6.10": ("op-concat*", "clamp:concat-*"),
    "6.11": ("op-add", "op-mul"),
    "6.12": ("op-norm*", "clamp:norm-*"),
    "6.13": ("op-window-*",),
    "6.14": ("op-warp-*",),
    "7": ("chunk:fHSH", "picture-*", "refused:hash"),
    "8": ("limit:*",),
    "8.1": ("refused:level", "op-*"),
}

RULES: dict[str, dict[str, Patterns]] = {
    **container_rules.RULES,
    "3.1": {
        "lie in *pieces*": ("pieces:*",),
        "*common sequence*": ("list:both", "pieces:small", "pieces:no-common", "refuse-piece-common-cut-by-tensor"),
        "A tensor is small": ("pieces-4096-values", "pieces-4097-values", "refuse-piece-small-tensor-of-its-own"),
        "Then come, in the same order": ("pieces:own", "refuse-piece-own-first"),
        "are cut into runs": ("pieces:common", "pieces:full", "pieces:adaptive", "pieces:gaussian"),
        "it has no piece": ("pieces:no-common",),
        "| length |": ("refuse-piece-beyond-payload", "refuse-piece-length-long", "pieces:*"),
        "start afresh": ("pieces:adaptive", "pieces:gaussian", "pieces:context"),
        "Pieces are independent": ("pieces:*",),
        "ends the payload exactly": ("refuse-piece-trailing", "refuse-piece-one-more", "refuse-piece-missing"),
    },
    "3.2": {
        "must have exactly": (
            "pieces:pad-bits",
            "refuse-piece-too-long",
            "refuse-piece-too-short",
            "refuse-piece-empty",
        ),
        "*bypass bit*": ("model:escape", "model:low-bits"),
        "*bypass number*": ("model:escape", "model:low-bits"),
    },
    "3.3": {
        "has a scale index s": ("gaussian-every-scale", "gaussian-offset"),
        "k = 0 if s < 32": ("gaussian-every-scale",),
        "the k low bits": ("gaussian-every-scale", "gaussian-escapes-with-low-bits"),
        "is the *escape*": ESCAPED,
        "gaussian.json": ("gaussian-every-scale",),
        "1e16486e": ("gaussian-every-scale",),
    },
    "3.4": {
        "if b <= 4": ("model:one-event",),
        "If b > 4": ("model:two-events",),
        "n = min(n + 1, 4092)": ("model:count-limit",),
        "min(r, 8)": ("model:count-limit", "adaptive-*"),
        "min(r, 12)": ("model:count-limit", "adaptive-*"),
    },
    "3.5": {"A decoded value": ("refused:value",)},
    "3.6": {
        "| dt |": ("context-neighbour-*",),
        "| dc |": ("context-neighbour-*",),
        "| dy |": ("context-neighbour-*",),
        "| dx |": ("context-neighbour-*",),
        "both are 0 where it is outside": ("context-neighbour-*",),
        "p = clamp": ("context:clamped", "context-all-*", "context-spread-only"),
        "sig = B": ("context-all-*", "context-mean-only"),
        "s = clamp": ("context:scale-0", "context:scale-63"),
        "k = 0 if s < 32": ("context:low-bits", "context-all-*"),
        "phase = |phi|": ("context:phase-4", "context:phase-1", "context:low-bits"),
        "escape and low bits": ("context:escape", "context:low-bits"),
        "logistic.json": ("context-all-*",),
        "before it serves as a neighbour": ("refuse-value-context",),
    },
    "4": {
        "| width |": ("format-width-*", "refuse-format-width-*"),
        "| frac |": ("format-width-*", "refuse-format-frac-21"),
        "have the width and frac of their input": (
            "op-shuffle",
            "op-fold",
            "op-upsample-*",
            "op-tile",
            "op-window-of-*",
            "op-warp-format-*",
        ),
        "| bits |": ("bits-*", "refuse-record-*-bit*"),
        "| flags |": ("refused:newer-flags", "refused:flags-contradict", "hadamard-*", "context-all-*", "list:*"),
        "| step |": ("step:*", "refused:step"),
        "| step_scale |": ("list:steps", "refuse-record-step-scale-64"),
        "| offset |": ("model:offset", "refuse-record-offset"),
        "| scale |": ("gaussian-*", "refuse-record-scale-64"),
        "| scale_scale |": ("list:scales", "refuse-record-scale-scale-64"),
        "| mask |": ("context-neighbour-*", "refuse-context-mask"),
        "| base |": ("context-least-spread", "context-most-spread", "refuse-context-base-*"),
        "mean | sv": ("context-least-spread", "context-most-spread", "refuse-context-mean-*"),
        "* spread |": ("context-most-spread", "refuse-context-spread-256", "refuse-context-no-weight"),
        "| used_width |": ("hadamard-width-*", "refuse-record-used-width-*"),
        "| gain |": ("hadamard-width-*", "refuse-record-gain-7"),
        "A *channel* is": ("list:steps", "list:scales"),
        "With bit 1": ("list:steps", "list:scales", "refused:list"),
        "Lists have one entry": ("list:steps", "list:scales"),
        "| bit 0 |": ("model:adaptive", "refuse-flags-adaptive-9-bits"),
        "| bit 1 |": ("list:steps", "refuse-flags-bias-steps"),
        "| bit 2 |": ("list:scales", "refuse-flags-adaptive-scales", "refuse-flags-context-scales"),
        "| bit 3 |": ("hadamard-*", "refuse-flags-*-hadamard"),
        "| bit 4 |": ("model:context", "refuse-flags-weight-context", "refuse-flags-context-*"),
        "where it may not be is an error": ("refused:flags-contradict",),
        "Step indices are within": ("refused:step", "refused:list", "step:*"),
    },
    "5": {
        "number of operations": ("refuse-program-no-operation", "refuse-program-4097-*", "refuse-program-distance-*"),
        "| 1 | grid": ("op-grid-*",),
        "| 2 | conv": ("op-conv-*", "op-depthwise-*", "refuse-program-conv-even-kernel", "refuse-program-depthwise-2"),
        "| 3 | shuffle": ("op-shuffle",),
        "| 4 | planes": ("op-planes-*", "refuse-program-planes-ratio-*"),
        "| 5 | upsample": ("op-upsample-*", "refuse-program-upsample-0", "refuse-program-upsample-17"),
        "| 6 | concat": ("op-concat*", "refuse-program-concat-0", "refuse-program-concat-17"),
        "| 7 | add": ("op-add",),
        "| 8 | mul": ("op-mul",),
        "| 9 | norm": ("op-norm*",),
        "| 10 | frequency": ("op-frequency", "refuse-program-frequency-too-long"),
        "| 11 | fold": ("op-fold",),
        "| 12 | tile": ("op-tile",),
        "| 13 | window": ("op-window-*", "refuse-program-window-*"),
        "| 14 | warp": ("warp:bits-*", "warp:taps-*", "refuse-program-warp-*"),
        "A path is a `uv`": ("op-window-*", "refuse-program-window-*knot*"),
        "With n = 0": ("op-window-shared-*", "refuse-program-window-no-path*"),
        "Knot k is at frame": ("op-window-*",),
        "Any other code": ("refused:newer-operation",),
        "| grid | [channels": ("op-grid-*", "refuse-program-grid-*"),
        "The second input of a warp": ("refuse-program-warp-vectors-*", "op-warp-*"),
        "The path of a window stays": ("op-window-*", "refused:window"),
        "time[k] < time[k + 1]": ("op-window-far-knot", "refuse-program-window-knot*"),
        "A weight is [out": ("op-conv-*", "op-depthwise-*"),
        "| conv | [out_channels": ("op-conv-*", "refuse-program-conv-no-channels", "refuse-program-conv-depthwise-*"),
        "| shuffle | [C": ("op-shuffle", "refuse-program-shuffle-*"),
        "| upsample | [C": ("op-upsample-*", "refuse-program-upsample-too-high", "refuse-program-upsample-no-rows"),
        "| concat | [sum": ("op-concat*", "refuse-program-concat-sizes", "refuse-program-concat-heights"),
        "| add, mul | [C": ("op-add", "op-mul", "refuse-program-add-shapes", "refuse-program-mul-shapes"),
        "| norm | [C": ("op-norm*", "refuse-program-norm-channels"),
        "| frequency | [2 n": ("op-frequency", "refuse-program-frequency-none"),
        "| fold | [C": ("op-fold", "refuse-program-fold-*"),
        "| tile | [C": ("op-tile", "refuse-program-tile-no-rows"),
        "| window | [C": ("op-window-*", "refused:window"),
        "| warp | [C": ("op-warp-*", "refused:warp"),
        "a program that lacks what is needed": ("refused:program-shape", "refused:program-syntax"),
        "is the last operation": ("refuse-program-planes-*", "refuse-program-picture-not-covered", "picture:crop"),
    },
    "6.1": {
        "M = (": ("rescale:all-fractions",),
        "S = 15": ("rescale:shift-*", "refused:rescale"),
        "A map of width w": ("clamp:*",),
    },
    "6": {
        "is one wherever it stands": ("refuse-unread-*",),
    },
    "6.2": {"out[c, y, x]": ("op-grid-*", "clamp:grid-*", "list:steps")},
    "6.3": {
        "With frac_in": ("op-conv-*", "op-depthwise-*"),
        "bias_acc[o]": ("bits-bias-*", "step:least", "refuse-rescale-bias-*"),
        "p = clamp": ("clamp:conv-*", "list:steps", "refuse-rescale-conv-*"),
        "out = activation": ("op-activation-*",),
        "< 2^31, or the file is in error": ("accumulator:bound", "refused:accumulator"),
        "For `half_tanh`": ("activation:half_tanh",),
    },
    "6.3.1": {
        "Without bit 3": ("op-conv-*",),
        "that follow from them": ("hadamard-width-*", "hadamard-steps-by-channel"),
        "are cut into blocks": ("hadamard:mixed", "hadamard:block-4096"),
        "C = 1 is legal": ("hadamard-1",),
        "clamp(rescale(s": ("hadamard:clamped", "hadamard-width-*"),
        "= step[o] - 8 gain": ("hadamard-width-*", "step:greatest"),
        "not for the result of the subtraction": ("step:greatest",),
    },
    "6.4": {
        "out[c, y r + a": ("op-shuffle",),
        "`fold` is the same": ("op-fold",),
    },
    "6.5": {
        "| 0 | none": ("op-activation-none", "op-activation-frac-*"),
        "| 1 | relu": ("op-activation-relu", "op-activation-frac-*"),
        "| 2 | gelu": ("op-activation-gelu", "op-activation-frac-*", "saturation-activations"),
        "| 3 | silu": ("op-activation-silu", "op-activation-frac-*", "saturation-activations"),
        "| 4 | half_tanh": ("op-activation-half-tanh", "op-activation-frac-*", "saturation-activations"),
        "`shift(v, n)`": ("op-activation-frac-*", "picture-12-bit-coarse-head"),
    },
    "6.6": {
        "value = clamp": ("clamp:sample-*", "picture-*-bit*"),
        "r must be a multiple": ("refuse-program-planes-odd-ratio", "refuse-program-planes-channels"),
        "A plane is cropped": ("picture:crop", "picture:odd-size"),
    },
    "6.7": {"out[2 k]": ("op-frequency", "clamp:frequency-*")},
    "6.8": {"i0 = clamp": ("op-upsample-*",)},
    "6.11": {
        "add: out": ("op-add", "op-same-input-twice", "clamp:add-*"),
        "mul: out": ("op-mul", "op-same-input-twice", "clamp:mul-*"),
    },
    "6.12": {"r = max": ("norm:constant", "op-norm*")},
    "6.13": {
        "before the first": ("op-window-path", "op-window-before-first-knot", "op-window-one-knot"),
        "from the last": ("op-window-path", "op-window-after-last-knot", "op-window-one-knot"),
        "else, time[k]": ("op-window-path", "op-window-rounding", "op-window-4096-knots", "op-window-far-knot"),
        "p = row[k] +": ("op-window-path", "op-window-rounding", "op-window-4096-knots", "op-window-far-knot"),
        "i = p >> bits": ("op-window-path", "window:bits-*"),
        "s[c, y, x]": ("op-window-path", "window:bits-*", "op-window-edge", "op-window-extremes"),
        "+ f (": ("op-window-path", "window:bits-*", "op-window-edge", "op-window-extremes"),
        "out[(c ratio": ("window:ratio-*",),
        "The format is": ("op-window-of-*", "op-window-before-conv"),
    },
    "6.14": {
        "v the second, frac_v its frac": ("op-warp-rows-alone", "op-warp-columns-alone", "op-warp-by-*"),
        "n = frac_v": ("warp:bits-*", "op-warp-frac-*"),
        "p = clamp": (*DISPLACED, "op-warp-rows-alone", "op-warp-high"),
        "q = clamp": (*DISPLACED, "op-warp-columns-alone", "op-warp-wide"),
        "a = (32 - g)": BILINEAR,
        "out[c, y, x] = shift((32": BILINEAR,
        "A(h) = (3 h": ("op-warp-cubic-every-fraction*", "op-warp-cubic-still", "op-warp-cubic-*-alone"),
        "w[h] = (-A(h)": ("op-warp-cubic-every-fraction*", "op-warp-cubic-still", "op-warp-cubic-*-alone"),
        "s[r] = sum": ("op-warp-cubic-every-fraction*", "op-warp-cubic-edge", "op-warp-cubic-*-by-*"),
        "out[c, y, x] = clamp(": ("op-warp-cubic-extremes", "op-warp-cubic-overshoot*", "clamp:warp-*"),
        "The format is": ("op-warp-format-*", "op-warp-of-*"),
    },
    "7": {
        "The MD5 of a picture": ("chunk:fHSH", "picture-*-bit", "picture-rgb"),
        "all its frames in order": ("op-*", "segments:many"),
        "compares it with": ("refused:hash",),
        "a difference is an error": ("refuse-hash-*", "refuse-chunk-frame-hash-*"),
        "before it has compared": ("refuse-hash-last", "refuse-chunk-frame-hash-last"),
    },
    "8": {
        "| size:": ("limit:parameters",),
        "| MACs:": ("limit:macs*",),
        "| maps:": ("limit:map-bytes", "limit:live-maps"),
        "| coded pixels": ("limit:coded-pixels*", "limit:picture"),
        "| frames of the file": ("limit:frames",),
        "The maps that live at": ("limit:live-maps*", "refuse-level-maps-*"),
        "| conv |": ("limit:macs", "refuse-level-macs-*"),
        "| grid |": ("limit:macs-grid",),
        "| upsample, window, norm |": ("limit:macs-upsample", "limit:macs-window*", "limit:macs-norm"),
        "| warp |": ("limit:macs-warp*",),
        "| add, mul |": ("limit:macs-add", "limit:macs-mul"),
    },
    "8.1": {
        "may refuse a file as over": ("limit:*",),
    },
}


@cache
def ruled() -> tuple[tuple[Unit, Patterns], ...]:
    """Every unit of the specification with its patterns; none for a unit that no rule and no section covers."""
    return tuple((unit, patterns_of(unit)) for unit in units(SPECIFICATION.read_text(encoding="utf-8")))


def patterns_of(unit: Unit) -> Patterns:
    """Patterns of the vectors that exercise a unit."""
    for fragment, patterns in RULES.get(unit.section, {}).items():
        if fragment in unit.text:
            return patterns
    return SECTIONS.get(unit.section, ())


def exercises(patterns: Patterns, name: str, features: Iterable[str]) -> bool:
    """Whether a vector of that name and with those features is among those meant."""
    matches = _matcher(patterns)
    return any(matches(word) for word in (name, *features))


@cache
def _matcher(patterns: Patterns) -> Callable[[str], object]:
    return re.compile("|".join(map(translate, patterns)) or "(?!)").match


def sections_of(name: str, features: Iterable[str]) -> list[str]:
    """Sections of the specification of which a vector exercises a rule, in their order."""
    words = list(features)
    return list(dict.fromkeys(unit.section for unit, patterns in ruled() if exercises(patterns, name, words)))


def unused() -> list[tuple[str, str]]:
    """Rules and sections here that the specification does not have."""
    known = ruled()
    stale = [(section, "") for section in SECTIONS if not any(unit.section == section for unit, _ in known)]
    for section, rules in RULES.items():
        stale += [
            (section, fragment)
            for fragment in rules
            if not any(unit.section == section and fragment in unit.text for unit, _ in known)
        ]
    return stale
