"""The device named by --device: every command checks it alike, in one line, before it reads a frame."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from manuals import MANUALS

import nqcodec
from nqcodec.decoder.device import check_decoding_device, check_device
from nqcodec.errors import UnsupportedError, UsageError
from nqcodec.synthesis import cuda

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "nqenc": ["nqenc", "CLIP", "--bpp", "1", "-o", "out.nq"],
    "compare": ["nqtool", "compare", "CLIP"],
    "bench compare": ["nqtool", "bench", "compare", "CLIP"],
    "backbones": ["nqtool", "bench", "backbones", "CLIP"],
    "decode": ["nqtool", "bench", "decode"],
}
"""Every command that has --device."""


def run(command: str, device: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command with a device, on a clip of which no frame can be read, where CUDA shows no device."""
    clip = folder / "clip.y4m"
    clip.write_bytes(b"YUV4MPEG2 W16 H16 F25:1 C420jpeg\nno frame")
    name, *words = [str(clip) if word == "CLIP" else word for word in COMMANDS[command]]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    call = [sys.executable, str(ROOT / "bin" / name), *words, "--device", device]
    return subprocess.run(call, capture_output=True, text=True, check=False, timeout=120, env=env, cwd=folder)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("device", "code"), [("cuda", 3), ("mps", 2)])
def test_a_device_that_is_not_there_is_one_line(device: str, code: int, command: str, tmp_path: Path) -> None:
    done = run(command, device, tmp_path)
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: --device {device}: ")
    assert done.stdout == ""
    assert os.listdir(tmp_path) == ["clip.y4m"]


def test_these_are_all_commands_with_a_device() -> None:
    found = {name for name, command in MANUALS.items() if any("--device" in param.opts for param in command.params)}
    assert found == {" ".join(takewhile(lambda word: word[0].islower(), words)) for words in COMMANDS.values()}


@pytest.mark.parametrize("device", ["mps", "CUDA", "cuda:", "cuda:x", "cpu:0", "", None, 0])
def test_names_of_no_device(device: Any) -> None:
    for check in (check_device, check_decoding_device):
        with pytest.raises(UsageError, match="choose cpu or cuda"):
            check(device)


def test_the_reason_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for version, reason in ((None, "build without CUDA"), ("12.4", "finds no CUDA device")):
        monkeypatch.setattr(torch.version, "cuda", version)
        with pytest.raises(UnsupportedError, match=reason):
            check_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device("cuda")
    check_device("cuda:1")
    with pytest.raises(UnsupportedError, match="--device cuda:2: torch finds only 2"):
        check_device("cuda:2")


def test_decoding_asks_its_own_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "why_no_device", lambda: "")
    check_decoding_device("cuda")
    monkeypatch.setattr(cuda, "why_no_device", lambda: "no driver")
    with pytest.raises(UnsupportedError, match="no driver"):
        check_decoding_device("cuda")


def test_the_python_api_checks_before_it_takes_a_frame(tmp_path: Path) -> None:
    taken: list[int] = []

    def frames() -> Any:
        taken.append(1)
        yield np.zeros((16, 16), np.uint8)

    with pytest.raises(UsageError, match="--device mps"):
        nqcodec.encode(frames(), tmp_path / "out.nq", bpp=1, device="mps")
    assert taken == []
    assert os.listdir(tmp_path) == []
