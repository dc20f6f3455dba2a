"""nqtool analyse and plot as users run them: files, pictures, and errors in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.cli.nqtool import main
from nqcodec.media.video import frame_bytes
from nqcodec.training.checkpoint import save_fit
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network

pytest.importorskip("matplotlib")
RAW = ["--input-res", "36x22"]
QUICK = ["--bits", "4:5", "--groups", "8", "--grid", "3", "--probes", "1"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(raw clip, saved fit) of an untrained network."""
    folder = tmp_path_factory.mktemp("analyse")
    video, frames = small_clip(frames=3)
    clip, fit = folder / "clip.yuv", folder / "fit.safetensors"
    clip.write_bytes(b"".join(map(frame_bytes, frames)))
    program = hnerv.build(video, video.frames, 2500)
    save_fit(fit, video, new_network(program, video.frames, FitSettings(1)))
    return clip, fit


def nqtool(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words)])


def made(folder: Path) -> set[str]:
    """Kinds whose three files are there, and nothing else."""
    kinds = {path.stem for path in folder.iterdir()}
    assert {path.name for path in folder.iterdir()} == {f"{k}.{s}" for k in kinds for s in ("json", "csv", "png")}
    for kind in kinds:
        assert (folder / f"{kind}.png").read_bytes().startswith(b"\x89PNG")
        assert json.loads((folder / f"{kind}.json").read_text("utf-8"))["kind"] == kind
        assert (folder / f"{kind}.csv").read_text("utf-8").count("\n") > 1
    return kinds


def test_a_file_alone_and_with_its_clip(sample: Path, tmp_path: Path) -> None:
    alone = nqtool("analyse", sample, "-o", tmp_path / "alone")
    assert alone.exit_code == 0, alone.output
    assert made(tmp_path / "alone") == {"histograms", "bits"}
    clip = sample.with_name("bbb_320x180.mkv")
    done = nqtool("analyse", sample, clip, "-o", tmp_path / "both", "--parts", "frames")
    assert done.exit_code == 0, done.output
    assert made(tmp_path / "both") == {"frames", "errors"}


def test_a_fit_gives_everything_and_plot_draws_it_again(files: tuple[Path, Path], tmp_path: Path) -> None:
    clip, fit = files
    folder = tmp_path / "out"
    done = nqtool("analyse", "--fit", fit, clip, *RAW, *QUICK, "-o", folder)
    assert done.exit_code == 0, done.output
    kinds = {"histograms", "frames", "errors", "sensitivity", "hessian", "surface"}
    assert made(folder) == kinds
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in before:
        if not name.endswith(".json"):
            (folder / name).unlink()
    again = nqtool("plot", folder, "-q")
    assert (again.exit_code, again.output) == (0, "")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    one = nqtool("plot", folder / "surface.json", "-o", tmp_path / "one")
    assert one.exit_code == 0, one.output
    assert made(tmp_path / "one") == {"surface"}


def test_without_matplotlib_nothing_begins(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for words in (["analyse", sample, "-o", tmp_path / "out"], ["plot", tmp_path]):
        done = nqtool(*words)
        assert done.exit_code == 3
        assert done.stderr == f"error: nqtool {words[0]} needs matplotlib: pip install 'nqcodec[plots]'\n"
    assert not (tmp_path / "out").exists()


def test_mistakes_are_one_line(files: tuple[Path, Path], sample: Path, tmp_path: Path) -> None:
    clip, fit = files
    (tmp_path / "bad.json").write_text('{"nqcodec_finding": 1, "kind": "surface", "title": "t", "data": {}}')
    (tmp_path / "new.json").write_text('{"nqcodec_finding": 1, "kind": "horoscope", "title": "t", "data": {}}')
    cases: list[tuple[int, str, list[object]]] = [
        (2, "name one .nq file", ["analyse"]),
        (2, "name one .nq file", ["analyse", clip]),
        (2, "name one .nq file", ["analyse", sample, sample]),
        (2, "--parts colours: choose of", ["analyse", sample, "--parts", "colours"]),
        (2, "--parts hessian needs --fit and the clip", ["analyse", sample, "--parts", "bits,hessian"]),
        (2, "--parts bits needs a .nq", ["analyse", "--fit", fit, "--parts", "bits"]),
        (2, "is of another clip", ["analyse", sample, clip, *RAW, "--parts", "frames"]),
        (2, "is a fit of another clip", ["analyse", "--fit", fit, clip, *RAW, "--seek", "1"]),
        (2, "an odd number", ["analyse", "--fit", fit, clip, *RAW, "--grid", "4", "--parts", "surface"]),
        (2, "has segments 0 to 0", ["analyse", sample, "--segment", "1", "--parts", "histograms"]),
        (1, "cannot be read", ["analyse", tmp_path / "none.nq"]),
        (1, "are not those of surface", ["plot", tmp_path / "bad.json"]),
        (1, "there is no analysis horoscope", ["plot", tmp_path / "new.json"]),
        (1, "cannot be read as saved numbers", ["plot", tmp_path / "none.json"]),
    ]
    for code, text, words in cases:
        folder = [] if "-o" in words else ["-o", tmp_path / "out"]
        done = nqtool(*words, *folder)
        assert (done.exit_code, done.stderr.count("\n")) == (code, 1), (words, done.output)
        assert text in done.stderr, (words, done.stderr)
