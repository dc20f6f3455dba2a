"""Training on patches: every sample once an epoch, the same fit from the same seed and after a resume, clear errors."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from commands import COMMANDS, read
from fitting import small_clip

import nqcodec
from nqcodec.backbones import hinerv, hnerv
from nqcodec.errors import InputError, UsageError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.losses import plane_errors
from nqcodec.training.network import FloatNetwork
from nqcodec.training.paper.encoder import Encoder
from nqcodec.training.paper.patches import Patches
from nqcodec.training.paper.quant_noise import QuantNoise
from nqcodec.training.recipes import paper_recipe
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import PlainTrainer, fit

NQENC = ["nqenc", "clip.y4m", "--bpp", "0.1", "-o", "a.nq"]
SETTINGS = FitSettings(iterations=64, seed=3, patch=(16, 16))
Work = tuple[Program, PackedClip]


def work_of(width: int = 37, height: int = 23, chroma: Chroma = Chroma.C420, frames: int = 5) -> Work:
    """A clip of odd sizes, in whose last row and column of patches not everything counts."""
    video, planes = small_clip(width, height, frames, chroma)
    program = hnerv.build(video, frames, 3_000)
    return program, pack(planes, video, program)


@pytest.fixture(scope="module")
def work() -> Work:
    return work_of()


def fitted(work: Work, settings: FitSettings, **how: Any) -> FloatNetwork:
    network = new_network(work[0], work[1].frames, settings)
    fit(network, work[1], settings, **how)
    return network


def same(a: FloatNetwork, b: FloatNetwork) -> bool:
    return all(torch.equal(a.tensors[name], b.tensors[name]) for name in a.tensors)


@pytest.mark.parametrize("patch", [(16, 16), (21, 17), (36, 22), (37, 16), (37, 23)])
@pytest.mark.parametrize("chroma", [Chroma.C420, Chroma.C444, Chroma.C400])
def test_an_epoch_sees_every_sample_once(patch: tuple[int, int], chroma: Chroma) -> None:
    """The errors of all patches are those of the frames, and so are their slopes at each sample of each frame."""
    program, clip = work_of(chroma=chroma)
    network, patches = new_network(program, 5, SETTINGS), Patches(clip, program, patch)
    times = torch.arange(5)
    whole = network(times)
    expected = plane_errors(whole, clip.batch(times), clip).mean(dim=0)
    output, target = patches.output_and_target(network, torch.arange(5 * len(patches)))
    found = plane_errors(output, target, patches.clip)
    assert found.shape == (1, chroma.planes)
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=0)
    slopes = [torch.autograd.grad(e @ clip.weights, list(network.parameters())) for e in (expected, found[0])]
    for a, b in zip(*slopes, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-3, atol=1e-4 * float(a.abs().max()))


def test_patches_tile_the_picture_and_the_last_are_moved_inwards(work: Work) -> None:
    """37 x 23 has 19 x 12 cells: three columns of 7 and two rows of 6."""
    patches = Patches(work[1], work[0], (16, 16))
    assert patches.size == (6, 7)
    assert patches.corners == [(row, column) for row in (0, 6) for column in (0, 7, 12)]
    assert patches.clip.video.plane_shapes == ((12, 14), (6, 7), (6, 7))


@pytest.mark.parametrize(("frames", "batch"), [(5, 2), (4, 2), (3, 1)])
def test_iterations_sample_each_patch_once_an_epoch_in_an_order_of_their_own(
    frames: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, clip = work_of(frames=frames)
    seen: list[list[int]] = []
    output_and_target = Patches.output_and_target

    def spy(self: Patches, network: FloatNetwork, samples: torch.Tensor, *how: Any) -> Any:
        seen.append(samples.tolist())
        return output_and_target(self, network, samples, *how)

    monkeypatch.setattr(Patches, "output_and_target", spy)
    settings = replace(SETTINGS, batch=batch)
    trainer = PlainTrainer(new_network(program, frames, settings), clip, settings)
    epoch = -(-frames // batch)
    for _ in range(3 * epoch):
        trainer.iterate()
    epochs = [[n for batch_numbers in seen[e * epoch : (e + 1) * epoch] for n in batch_numbers] for e in range(3)]
    assert all(sorted(numbers) == list(range(6 * frames)) for numbers in epochs)
    assert epochs[0] != epochs[1]
    # Patches of several frames and places come together.
    assert max(len({n // 6 for n in numbers}) for numbers in seen) > batch
    assert Counter(map(len, seen)).keys() <= {6 * batch, 6 * (frames % batch)}


def test_patches_of_the_whole_picture_are_whole_frames(work: Work) -> None:
    """With the sum of squares both have the same gradients; the logarithm is taken of other means."""
    whole, patched = (
        fitted(work, replace(SETTINGS, iterations=20, loss="mse", dtype="float32", patch=patch))
        for patch in (None, (37, 23))
    )
    for name, value in whole.tensors.items():
        torch.testing.assert_close(patched.tensors[name], value, rtol=1e-2, atol=1e-3)


def test_it_learns_on_patches(work: Work) -> None:
    results = []
    for patch in (None, (16, 16)):
        settings = replace(SETTINGS, iterations=200, patch=patch)
        results.append(fit(new_network(work[0], 5, settings), work[1], settings).quality.yuv)
    assert min(results) > 24
    assert results[1] > results[0] - 2


@pytest.mark.parametrize("encoder", [False, True])
def test_same_seed_same_network_and_after_a_resume_too(work: Work, tmp_path: Path, encoder: bool) -> None:
    settings = replace(SETTINGS, ema=0.9, coarse=0.3, noise=QuantNoise(share=0.3))

    def run(settings: FitSettings = settings, **how: Any) -> FloatNetwork:
        return fitted(work, settings, encoder=Encoder(work[0]) if encoder else None, **how)

    whole = run()
    torch.manual_seed(123)
    assert same(whole, run())
    assert not same(whole, run(replace(settings, seed=4)))
    path = tmp_path / "fit.ckpt"
    assert not same(whole, run(checkpoint=path, stop=lambda: True))
    with pytest.raises(InputError, match="another network, clip, size or settings"):
        run(replace(settings, patch=(18, 16)), checkpoint=path, resume=True)
    assert same(whole, run(checkpoint=path, resume=True))


@pytest.mark.parametrize("loss", ["mse", "l1", "l1-ssim"])
def test_every_loss_takes_patches(loss: str) -> None:
    if loss == "l1-ssim":
        pytest.importorskip("pytorch_msssim")
    program, clip = work_of(64, 50)
    settings = replace(SETTINGS, iterations=3, loss=loss, patch=(32, 26))
    trainer = PlainTrainer(new_network(program, 5, settings), clip, settings)
    losses = [trainer.iterate().loss for _ in range(3)]
    assert all(bool(value.isfinite()) and 0 < float(value) < 1 for value in losses)


def test_structure_is_that_of_the_patches() -> None:
    """With patches of the whole picture it is that of the frames; with small ones another, of the same kind."""
    pytest.importorskip("pytorch_msssim")
    program, clip = work_of(64, 50)
    values = {}
    for patch in (None, (64, 50), (32, 26)):
        settings = replace(SETTINGS, loss="l1-ssim", patch=patch, batch=5, dtype="float32")
        values[patch] = float(PlainTrainer(new_network(program, 5, settings), clip, settings).iterate().loss)
    assert values[64, 50] == pytest.approx(values[None], rel=1e-4)
    assert values[32, 26] == pytest.approx(values[None], rel=0.2)
    assert values[32, 26] != pytest.approx(values[None], rel=1e-4)


@pytest.mark.parametrize(
    ("patch", "loss", "message"),
    [
        ((38, 16), "mse", "larger than the picture, 37x23"),
        ((16, 24), "mse", "larger than the picture, 37x23"),
        ((14, 16), "mse", "too small: choose sides of 16"),
        ((18, 18), "l1-ssim", "sides of at least 11 samples, and they have 6"),
    ],
)
def test_patches_that_do_not_suit_are_refused(work: Work, patch: tuple[int, int], loss: str, message: str) -> None:
    if loss == "l1-ssim":
        pytest.importorskip("pytorch_msssim")
    settings = replace(SETTINGS, patch=patch, loss=loss)
    with pytest.raises(UsageError, match=message):
        PlainTrainer(new_network(work[0], 5, settings), work[1], settings)


@pytest.mark.parametrize(
    ("video", "patch"),
    [
        (Video(1920, 1080, chroma=Chroma.C444), (120, 120)),
        (Video(1080, 1920, chroma=Chroma.C444), (120, 120)),
        (Video(1280, 720, chroma=Chroma.C400), (80, 80)),
        (Video(1920, 1080), None),
        (Video(640, 360, chroma=Chroma.C444), None),
    ],
)
def test_hinervs_recipe_has_the_papers_patches(video: Video, patch: tuple[int, int] | None) -> None:
    """An iteration has as many patches as cover a frame; small pictures and those without MS-SSIM have whole frames."""
    settings = paper_recipe("hinerv", 10, video=video)
    assert (settings.patch, settings.batch, settings.iterations) == (patch, 1, 3000)
    assert paper_recipe("hinerv", 10).patch is None
    assert paper_recipe("nerv", 10, video=video).patch is None


def test_ms_ssim_is_defined_on_the_papers_patches() -> None:
    pytest.importorskip("pytorch_msssim")
    video, frames = small_clip(150, 160, 2, Chroma.C444)
    program = hinerv.build(video, 2, 4_000)
    clip = pack(frames, video, program)
    settings = replace(paper_recipe("hinerv", 2), iterations=2, patch=(80, 80))
    trainer = PlainTrainer(new_network(program, 2, settings), clip, settings)
    assert all(0 < float(trainer.iterate().loss) < 1 for _ in range(2))


@pytest.mark.parametrize(("text", "patch"), [("80", (80, 80)), ("120x64", (120, 64)), (None, None)])
def test_the_command_takes_one_side_or_two(text: str | None, patch: tuple[int, int] | None) -> None:
    assert read([*NQENC, *(["--patch", text] if text else [])])["patch"] == patch


@pytest.mark.parametrize("text", ["80x", "x80", "0", "0x80", "a", "80x80x80", "-5", ""])
def test_the_command_refuses_what_is_no_size(text: str) -> None:
    done = CliRunner().invoke(COMMANDS["nqenc"], [*NQENC[1:], "--patch", text])
    assert done.exit_code == 2
    assert done.stderr == f"error: --patch {text}: write WIDTHxHEIGHT, such as 120x120, or N for both\n"


def test_an_encode_on_patches(tmp_path: Path) -> None:
    """As a pair or as JSON's list; the file is another than without, and the same again, and the log names the
    patches."""
    messages: list[str] = []
    _, frames = small_clip(frames=2)
    options: dict[str, Any] = {"arch": "hnerv", "params": 900, "iterations": 5}
    whole, first, again = (
        nqcodec.encode(
            frames, tmp_path / f"{number}.nq", progress=lambda e: messages.append(e.text), **options, **more
        ).md5
        for number, more in enumerate(({}, {"patch": (18, 16)}, {"patch": [18, 16]}))
    )
    assert first == again != whole
    assert sum("5 iterations on patches of 18x16, about" in text for text in messages) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": (80, 16)}, "larger than the picture, 36x22"),
        ({"patch": (8, 8)}, "too small"),
        ({"patch": (16, 16), "method": "rate-aware", "arch": "pyramid", "params": None, "bpp": 3}, "--method plain"),
    ],
)
def test_an_encode_refuses_patches_that_do_not_suit(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    _, frames = small_clip(frames=2)
    with pytest.raises(UsageError, match=message):
        nqcodec.encode(frames, tmp_path / "a.nq", **{"arch": "hnerv", "params": 900, "iterations": 5, **options})
    assert not (tmp_path / "a.nq").exists()
