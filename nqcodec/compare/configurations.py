"""nqcodec's own ways to encode that a comparison may show: names for settings, as data.

A backbone with a budget is called by its name, a published network by BACKBONE/PRESET; both follow from
`nqcodec.backbones`. paper/NAME is a paper's method: its network, RGB as there, trained by its recipe at its full length
(unless iterations are given), with a budget, or with its published size as paper/NAME/PRESET. What they share with the
others is how networks are quantised and coded, since their own code leaves no files that a decoder reads. Others are
read from a JSON object {name: {field: value}}, with fields of `EncodeSettings`, and "csp".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from nqcodec.backbones import BACKBONES
from nqcodec.encoder.options import EncodeSettings
from nqcodec.errors import InputError, UsageError
from nqcodec.media.clip import CSP
from nqcodec.media.text import counted

_NOT_OURS = frozenset({"resume", "fresh", "save_fit", "fit"})
_FIELDS = frozenset(field.name for field in fields(EncodeSettings)) - _NOT_OURS

PAPER = "paper/"
PAPERS: dict[str, tuple[str, str]] = {
    "nerv": ("nerv", "NeRV"),
    "nervpp": ("nervpp", "NeRV++"),
    "hnerv": ("hnerv", "HNeRV"),
    "hinerv": ("hinerv", "HiNeRV"),
    "neuroquant": ("hnerv", "HNeRV with NeuroQuant's fit"),
}
"""The papers' methods by the name of their training recipe (`nqcodec.training.recipes`): backbone, and name for
people.
"""


@dataclass(frozen=True)
class Configuration:
    """A way to encode.

    Attributes:
        settings: fields of `EncodeSettings` that differ from their defaults.
        csp: chroma format to code in, a name of `nqcodec.media.clip.CSP`; None for the clip's own.
    """

    name: str
    label: str
    settings: Mapping[str, Any]
    csp: str | None = None

    @property
    def has_own_size(self) -> bool:
        """Whether a published network decides the size, so that no rate is asked for."""
        return bool(self.settings.get("arch_preset"))

    def encode_settings(self) -> EncodeSettings:
        """The settings in full.

        A comparison times whole encodes, so it never goes on from a checkpoint. Files have no metadata, as the other
        codecs' have no encoder info.
        """
        return EncodeSettings(**{"metadata": False, **self.settings}, fresh=True)


def named(text: str, shared: Mapping[str, Any]) -> Configuration:
    """The configuration BACKBONE, BACKBONE/PRESET or "default", with the settings that all share.

    Raises:
        UsageError: there is none of that name.
    """
    if text.startswith(PAPER):
        return _paper(text, shared)
    arch, slash, preset = text.partition("/")
    if text == "default":
        return Configuration(text, "nqcodec", shared)
    if arch not in BACKBONES or (slash and preset not in BACKBONES[arch].presets):
        known = [*BACKBONES, *(f"{name}/{preset}" for name, one in BACKBONES.items() for preset in one.presets)]
        known += [f"{PAPER}{name}" for name in PAPERS]
        raise UsageError(f"there is no configuration {text}: choose of default, {', '.join(known)}")
    if not slash:
        return Configuration(text, f"nqcodec {arch}", {**shared, "arch": arch})
    # Published networks put out RGB.
    return Configuration(text, f"{arch} {preset}", {**shared, "arch": arch, "arch_preset": preset}, csp="rgb")


def _paper(text: str, shared: Mapping[str, Any]) -> Configuration:
    """A paper's method by paper/NAME or paper/NAME/PRESET; its length is the recipe's, whatever the preset."""
    recipe, slash, size = text.removeprefix(PAPER).partition("/")
    arch, title = PAPERS.get(recipe, ("", ""))
    if not arch or (slash and size not in BACKBONES[arch].presets):
        known = [f"{PAPER}{name}" for name in PAPERS]
        known += [f"{PAPER}{name}/{one}" for name, (arch, _) in PAPERS.items() for one in BACKBONES[arch].presets]
        raise UsageError(f"there is no configuration {text}: choose of {', '.join(known)}")
    settings = {**shared, "arch": arch, "method": "plain", "recipe": recipe, "preset": "medium"}
    if slash:
        settings["arch_preset"] = size
    label = " ".join([title, *([size] if slash else []), "as published"])
    return Configuration(text, label, settings, csp="rgb")


def read(path: Path, shared: Mapping[str, Any]) -> list[Configuration]:
    """The configurations of a JSON file.

    Raises:
        InputError: it is not such a file.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a JSON file of configurations: {error}") from error
    if not (isinstance(data, dict) and all(isinstance(value, dict) for value in data.values())):
        raise InputError(f'{path}: write an object of objects, such as {{"long": {{"preset": "slow"}}}}')
    result = []
    for name, values in data.items():
        unknown = set(values) - _FIELDS - {"csp"}
        if unknown or values.get("csp", "i420") not in CSP:
            raise InputError(f"{path}: {name}: {', '.join(sorted(unknown)) or 'csp'} is no setting of an encode")
        own = {key: value for key, value in values.items() if key != "csp"}
        result.append(Configuration(name, f"nqcodec {name}", {**shared, **own}, values.get("csp")))
    return result


def at_preset(configuration: Configuration, preset: str) -> Configuration:
    """The configuration at a preset, which its name and label contain; given iterations replace it in the label."""
    iterations = configuration.settings.get("iterations")
    return replace(
        configuration,
        name=f"{configuration.name} {preset}",
        label=f"{configuration.label}, {counted(iterations, 'iteration') if iterations else preset}",
        settings={**configuration.settings, "preset": preset},
    )
