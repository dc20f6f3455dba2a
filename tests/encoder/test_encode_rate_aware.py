"""Encodes of real frames with rate-aware fits: rates, resume, saved fits, input formats, backbones and methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from formats_clips import write
from moving_waves import moving_waves
from rateaware_cases import crop

from nqcodec.backbones import BACKBONES, pyramid
from nqcodec.cli.nqenc import main
from nqcodec.decoder.decoder import Decoder, probe
from nqcodec.encoder import segment_rate_aware as segment_rateaware
from nqcodec.encoder.clip_job import ClipJob, Output
from nqcodec.encoder.encode import encode, encode_clips
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.report import EncodeReport
from nqcodec.errors import InputError, RateError
from nqcodec.media.clip import ClipInput
from nqcodec.media.sink import open_sink
from nqcodec.media.video import Chroma, Video
from nqcodec.methods.rate_aware import settings as rateaware_settings
from nqcodec.training.checkpoint import KIND_FIT, read_tensors, save_fit, write_tensors
from nqcodec.training.network import FloatNetwork
from nqcodec.training.pace import Pace
from nqcodec.training.presets import PLAIN_PRESETS, RATE_AWARE_PRESETS, Preset

QUICK = EncodeSettings(preset="ultrafast", threads=1, metadata=False)

LEAST = 0.9
"""Part of the bytes asked for that these fits use at least: they are a tenth as long as the shortest preset's."""


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Presets of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RATE_AWARE_PRESETS, "ultrafast", Preset(1, 120))
        patch.setitem(PLAIN_PRESETS, "ultrafast", Preset(1, 100))
        yield


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ClipInput:
    """Eight real frames of 96 x 64 as y4m."""
    video, frames = crop()
    path = tmp_path_factory.mktemp("real") / "real.y4m"
    write(path, video, frames)
    return ClipInput(str(path))


def outputs(folder: Path, rates: tuple[float, ...]) -> tuple[Output, ...]:
    folder.mkdir(exist_ok=True)
    return tuple(Output(folder / f"{bpp}.nq", Rate(bpp=bpp)) for bpp in rates)


def check(report: EncodeReport, bpp: float, least: float = LEAST) -> None:
    """What every encode at a rate must satisfy."""
    target = int(bpp * report.video.pixels / 8)
    assert least * target <= report.size <= target
    assert report.size == Path(report.output).stat().st_size == sum(report.parts.values())
    assert sum(1 for _ in Decoder(probe(Path(report.output))).frames()) == report.video.frames
    json.dumps(report.as_dict())


@pytest.mark.parametrize(("arch", "bpp"), [("auto", 0.6), ("pyramid-light", 0.3)])
def test_rate_is_met_and_progress_told(arch: str, bpp: float, real: ClipInput, tmp_path: Path) -> None:
    events = list[Event]()
    report = encode(real, tmp_path / "out.nq", Rate(bpp=bpp), replace(QUICK, arch=arch), events.append)
    check(report, bpp)
    assert report.psnr["yuv"] > 24, "an encode of real frames must resemble them"
    assert sum("min to fit with preset ultrafast" in event.text for event in events) == 1
    counted = [event for event in events if event.iterations]
    assert {event.stage for event in counted} == {"fit"}
    assert all(event.iteration <= event.iterations and event.psnr and event.size for event in counted)
    assert [path.name for path in tmp_path.iterdir()] == ["out.nq"]


def test_a_busy_machine_is_reported(real: ClipInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = list[Event]()
    monkeypatch.setattr(segment_rateaware, "expected_time", lambda *_: Pace(600.0, 0.4))
    encode(real, tmp_path / "out.nq", Rate(bpp=0.6), QUICK, events.append)
    (text,) = (event.text for event in events if "min to fit" in event.text)
    assert "about 10.0 min to fit" in text
    assert text.endswith("(other work has the CPUs for 40% of that, about 6.0 min without it)")


def test_a_single_frame_is_fitted_as_a_picture(real: ClipInput, tmp_path: Path) -> None:
    """At several rates of one fit, none of which is spoilt to meet its size."""
    rates, events = (1.5, 2.0, 3.0), list[Event]()
    jobs = [ClipJob(replace(real, count=1), outputs(tmp_path / "auto", rates))]
    reports = encode_clips(jobs, replace(QUICK, iterations=600), events.append)
    for bpp, report in zip(rates, reports, strict=True):
        check(report, bpp)
        assert report.psnr["yuv"] > 27
        ended = [event.psnr for event in events if event.rate == rates.index(bpp) and event.psnr]
        assert report.psnr["yuv"] > ended[-1] - 0.3
    qualities = [report.psnr["yuv"] for report in reports]
    assert qualities == sorted(qualities)


RATES = (0.7, 0.4, 1.1)


@pytest.fixture(scope="module")
def several(real: ClipInput, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[EncodeReport], list[Event]]:
    """One fit for several rates, the middle one named first."""
    folder, events = tmp_path_factory.mktemp("several"), list[Event]()
    return encode_clips([ClipJob(real, outputs(folder, RATES))], QUICK, events.append), events


def test_rates_of_one_fit_rise_in_quality(several: tuple[list[EncodeReport], list[Event]]) -> None:
    reports, events = several
    for bpp, report in zip(RATES, reports, strict=True):
        check(report, bpp)
    middle, low, high = (report.psnr["yuv"] for report in reports)
    assert low < middle < high
    assert len({report.parameters for report in reports}) == 1
    assert sum("min to fit" in event.text for event in events) == 1


@pytest.mark.parametrize("fits", [1, 2, 3])
def test_resume_in_any_of_several_rates_gives_the_same_files(
    fits: int, real: ClipInput, several: tuple[list[EncodeReport], list[Event]], tmp_path: Path
) -> None:
    """Cut short in the first fit, and in a further rate with those before it done or not."""
    begun = []

    def interrupt(event: Event) -> None:
        if event.iterations:
            begun.extend([event] if event.iteration == 25 else [])
            if len(begun) == fits and event.iteration > 50:
                raise KeyboardInterrupt

    cut, again = [ClipJob(real, outputs(tmp_path, RATES))], list[Event]()
    with pytest.raises(KeyboardInterrupt):
        encode_clips(cut, QUICK, interrupt)
    assert not list(tmp_path.glob("*.nq"))
    for whole, report in zip(several[0], encode_clips(cut, replace(QUICK, resume=True), again.append), strict=True):
        assert Path(report.output).read_bytes() == Path(whole.output).read_bytes()
    assert len(list(tmp_path.iterdir())) == len(RATES), "no work folder is left"
    assert sum(event.iteration == 25 for event in again) == 4 - fits, "what was done is not fitted again"


Settings = rateaware_settings.RateAwareSettings


@pytest.mark.parametrize("place", [1, 2])
def test_a_rate_worse_than_a_lower_one_is_fitted_again(
    place: int, real: ClipInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repeated fit takes as many iterations as the first: of the middle rate where a further one does better than
    that, or of a further one that is spoilt."""

    def thorough(how: Settings) -> Settings:
        return replace(how, iterations=200)

    def hasty(how: Settings) -> Settings:
        return replace(how, iterations=2, lr=1.0, noise=0.0)

    monkeypatch.setattr(segment_rateaware, "further", thorough if place == 1 else hasty)
    monkeypatch.setitem(RATE_AWARE_PRESETS, "ultrafast", Preset(1, 60 if place == 1 else 120))
    iterations = list[int]()

    def listen(event: Event) -> None:
        iterations.extend([event.iterations] if event.iterations and event.iteration == 25 else [])

    rates = (0.55, 0.6, 0.65) if place == 1 else (0.4, 0.6, 0.8)
    reports = encode_clips([ClipJob(real, outputs(tmp_path, rates))], QUICK, listen)
    for bpp, report in zip(rates, reports, strict=True):
        check(report, bpp)
    assert iterations == ([60, 200, 200, 60] if place == 1 else [120, 102, 102, 120])
    if place == 2:
        assert reports[2].psnr["yuv"] > reports[1].psnr["yuv"] > reports[0].psnr["yuv"]


@pytest.fixture(scope="module")
def saved(real: ClipInput, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved rate-aware fit."""
    folder = tmp_path_factory.mktemp("saved")
    encode(real, folder / "out.nq", Rate(bpp=0.6), replace(QUICK, save_fit=folder / "fit.safetensors"))
    return folder / "fit.safetensors"


@pytest.mark.parametrize("bpp", [0.4, 0.6, 1.0])
def test_a_saved_fit_serves_other_rates(bpp: float, real: ClipInput, saved: Path, tmp_path: Path) -> None:
    events = list[Event]()
    settings = replace(QUICK, fit=saved, method="plain" if bpp == 1.0 else "auto")
    report = encode(real, tmp_path / "out.nq", Rate(bpp=bpp), settings, events.append)
    check(report, bpp)
    assert not any("min to fit" in event.text for event in events), "nothing is fitted from the start"
    assert report.psnr["yuv"] > 24


def remove(tensors: dict[str, torch.Tensor], name: str) -> None:
    del tensors[name]


def reshape(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name] = torch.zeros(3)


def spoil(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name] = torch.full_like(tensors[name], torch.nan)


@pytest.mark.parametrize("part", ["extra.steps.", "extra.context.", "op"])
@pytest.mark.parametrize("damage", [remove, reshape, spoil], ids=lambda damage: damage.__name__)
def test_a_damaged_fit_is_told(
    damage: Callable[[dict[str, torch.Tensor], str], None], part: str, real: ClipInput, saved: Path, tmp_path: Path
) -> None:
    tensors, metadata = read_tensors(saved, KIND_FIT)
    damage(tensors, max(name for name in tensors if name.startswith(part)))
    path = tmp_path / "damaged.safetensors"
    write_tensors(path, KIND_FIT, tensors, {k: v for k, v in metadata.items() if k not in ("kind", "version")})
    with pytest.raises(InputError, match=r"damaged\.safetensors: this fit is damaged"):
        encode(real, tmp_path / "out.nq", Rate(bpp=0.6), replace(QUICK, fit=path))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("bpp", [0.018, 0.022])
def test_impossible_rates_say_what_is_possible(bpp: float, real: ClipInput, tmp_path: Path) -> None:
    with pytest.raises(RateError, match=r"real\.y4m: .* bpp .* cannot be met .* nearest: \d+ bytes = "):
        encode(real, tmp_path / "out.nq", Rate(bpp=bpp), QUICK)
    assert list(tmp_path.iterdir()) == []


def test_impossible_further_rates_say_what_is_possible(real: ClipInput, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(RateError, match=r"cannot be met .* nearest: "):
        encode(real, tmp_path / "out.nq", Rate(bpp=0.02), replace(QUICK, fit=saved))
    with pytest.raises(RateError, match="headers alone"):
        encode_clips([ClipJob(real, outputs(tmp_path, (0.6, 0.001)))], QUICK)
    assert list(tmp_path.iterdir()) == []


VARIANTS = [
    ("i400", Video(37, 21, 3, chroma=Chroma.C400)),
    ("i420", Video(37, 21, 1, chroma=Chroma.C420)),
    ("i420", Video(66, 50, 3, chroma=Chroma.C420, depth=10)),
    ("i422", Video(36, 23, 2, chroma=Chroma.C422, depth=12)),
    ("i444", Video(33, 20, 1, chroma=Chroma.C444)),
]


@pytest.mark.parametrize("arch", ["picture", "pyramid", "pyramid-light"])
@pytest.mark.parametrize(("csp", "video"), VARIANTS, ids=lambda value: value if isinstance(value, str) else "")
def test_raw_input_of_every_format(
    csp: str, video: Video, arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Smooth moving pictures in, decoded planes of the same format and size out, near what went in."""
    monkeypatch.setitem(RATE_AWARE_PRESETS, "ultrafast", Preset(1, 200))
    path, out = tmp_path / "clip.yuv", tmp_path / "clip.nq"
    with open_sink(path, video) as sink:
        for t in range(video.frames):
            sink.write(moving_waves(video, t))
    clip = ClipInput(str(path), (video.width, video.height), csp=csp, depth=video.depth)
    report = encode(clip, out, Rate(bpp=10_000 / video.pixels), replace(QUICK, arch=arch))
    decoded = list(Decoder(probe(out)).frames())
    assert len(decoded) == video.frames
    assert [plane.shape for plane in decoded[0]] == list(video.plane_shapes)
    assert probe(out).video.depth == video.depth
    assert report.psnr["y"] > 20, "the mean alone would give about 11 dB"
    # Latents of one step size have no use for so many bits within so few iterations.
    check(report, 10_000 / video.pixels, 0.3 if arch == "picture" else LEAST)


@pytest.mark.parametrize("arch", ["pyramid", "pyramid-light"])
def test_rate_follows_from_parameters(arch: str, real: ClipInput, tmp_path: Path) -> None:
    sizes = []
    for parameters in (9_000, 20_000):
        rate = Rate(parameters=parameters)
        report = encode(real, tmp_path / f"{parameters}.nq", rate, replace(QUICK, arch=arch, iterations=240))
        assert 0.6 * parameters < report.parameters <= parameters
        assert report.psnr["yuv"] > 22
        sizes.append(report.size)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("arch", sorted(BACKBONES.keys() - {"picture", "pyramid", "pyramid-light"}))
def test_networks_of_the_other_method_are_fitted_for_their_rate(arch: str, real: ClipInput, tmp_path: Path) -> None:
    settings = replace(QUICK, arch=arch, method="rate-aware", iterations=200)
    report = encode(real, tmp_path / "out.nq", Rate(bpp=1.5), settings)
    check(report, 1.5)
    assert report.psnr["yuv"] > 18


@pytest.mark.parametrize(("arch", "bpp"), [("pyramid", 1.0), ("pyramid-light", 0.5)])
def test_pyramids_are_fitted_plainly_on_request(arch: str, bpp: float, real: ClipInput, tmp_path: Path) -> None:
    events = list[Event]()
    settings = replace(QUICK, arch=arch, method="plain")
    report = encode(real, tmp_path / "out.nq", Rate(bpp=bpp), settings, events.append)
    check(report, bpp)
    assert "finetune" in {event.stage for event in events}, "quantised after the fit"
    assert report.psnr["yuv"] > 20


def test_a_plain_saved_fit_is_quantised(real: ClipInput, tmp_path: Path) -> None:
    """A saved fit goes on by its own method, whatever method is asked for: here one before its first iteration."""
    video = real.describe()
    program = pyramid.build(video, video.frames, 16_000)
    path = tmp_path / "plain.safetensors"
    source = torch.Generator().manual_seed(0)
    network = FloatNetwork(program, video.frames, source)
    for value in network.tensors.values():
        value.data.add_(0.01 * torch.randn(value.shape, generator=source))
    save_fit(path, video, network)
    events = list[Event]()
    settings = replace(QUICK, fit=path, method="rate-aware")
    check(encode(real, tmp_path / "out.nq", Rate(bpp=1.2), settings, events.append), 1.2)
    assert "finetune" in {event.stage for event in events}


def test_segments_meet_the_rate_together(real: ClipInput, tmp_path: Path) -> None:
    report = encode(real, tmp_path / "out.nq", Rate(bpp=1.0), replace(QUICK, segment=5, jobs=1))
    check(report, 1.0)
    assert report.segments == 2


def test_the_command_line(real: ClipInput, tmp_path: Path) -> None:
    names = {bpp: tmp_path / f"out_{bpp}.nq" for bpp in ("0.4", "0.8")}
    words = [real.path, "--bpp", "0.4,0.8", "--preset", "ultrafast", "--threads", "1", "--json", "-q"]
    done = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "out_{bpp}.nq"), "--method", "rate-aware"])
    assert done.exit_code == 0, done.output
    reports = json.loads(done.stdout)
    for (bpp, path), report in zip(names.items(), reports, strict=True):
        assert LEAST * float(bpp) <= 8 * path.stat().st_size / (96 * 64 * 8) <= float(bpp)
        assert report["bytes"] == path.stat().st_size
    failed = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "x_{bpp}.nq"), "--method", "guess"])
    assert failed.exit_code == 2
