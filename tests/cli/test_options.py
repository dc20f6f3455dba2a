"""click's options from dataclasses: a call becomes the dataclass, with its types and defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Literal

import click
import pytest
from click.testing import CliRunner
from commands import read

from nqcodec.cli.help import HelpCommand, HelpPage
from nqcodec.cli.nqenc import rates_of
from nqcodec.cli.nqenc_options import NQENC, NqencOptions
from nqcodec.cli.options import groups_of, options_of
from nqcodec.encoder.option import option, option_fields, parsed_option, required_option, same_option
from nqcodec.encoder.options import ClipOptions, EncodeSettings, Group, part_of
from nqcodec.encoder.rate import Rate
from nqcodec.errors import UsageError
from nqcodec.media.positions import Time

CALL = ["nqenc", "clip.y4m", "-o", "a.nq"]


def options(*words: str) -> NqencOptions:
    """What a call of nqenc says."""
    given = read([*CALL, *words])
    return NqencOptions(**{one.name: given[one.name] for one in fields(NqencOptions)})


def test_what_is_not_said_keeps_the_defaults_of_the_encoder() -> None:
    given = options()
    assert part_of(given, EncodeSettings) == EncodeSettings()
    assert part_of(given, ClipOptions) == ClipOptions()


def test_what_is_said_arrives_with_its_type() -> None:
    words = "--seek 1.5s --frames 8 --fps 30000/1001 --input-res 64x48 --csp rgb --depth 10 --segment none --patch 32"
    more = "--hash frame --no-metadata --metrics ssim,vmaf --ema 0.9 --quant-noise 5 --resume --fit a.fit"
    given = options(*words.split(), *more.split(), *["-i", "b.y4m", "-i", "c.y4m"])
    assert part_of(given, ClipOptions) == ClipOptions(
        seek=Time(Fraction(3, 2)), frames=8, fps=Fraction(30000, 1001), input_res=(64, 48), csp="rgb", depth=10
    )
    assert part_of(given, EncodeSettings) == EncodeSettings(
        segment=None, patch=(32, 32), hashes="frame", metadata=False, metrics=("ssim", "vmaf"), ema=0.9, quant_noise=5,
        resume=True, fit="a.fit",
    )  # fmt: skip
    assert (given.sources, given.named_sources) == (("clip.y4m",), ("b.y4m", "c.y4m"))


def test_the_number_of_iterations_has_two_names() -> None:
    assert options("--iterations", "70").iterations == options("--steps", "70").iterations == 70


def test_rates_keep_the_text_that_names_their_files() -> None:
    assert rates_of(options("--bpp", "0.10,2")) == [("0.10", Rate(bpp=0.1)), ("2", Rate(bpp=2.0))]
    assert rates_of(options("--quality", "30,70.5")) == [("30", Rate(quality=30)), ("70.5", Rate(quality=70.5))]
    assert rates_of(options("--psnr", "38")) == [("38", Rate(psnr=38))]


def test_without_a_rate_there_is_a_default_quality() -> None:
    assert rates_of(options()) == [("50", Rate(quality=50))]
    assert rates_of(options("--arch", "hnerv", "--arch-preset", "bunny-1.5m")) == [("", None)]


@pytest.mark.parametrize(
    "words",
    [("--quality", "50", "--psnr", "38"), ("--psnr", "38", "--params", "9000"), ("--bpp", "1", "--bitrate", "2")],
)
def test_two_kinds_of_rates_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="exactly one of --quality, --psnr, --bpp, --bitrate and --params"):
        rates_of(options(*words))


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (("--quality", "0.5"), "--quality is 1 to 100, higher is better, not 0.5"),
        (("--quality", "101"), "--quality is 1 to 100"),
        (("--psnr", "5"), "--psnr is 10 to 70 dB, higher is better, not 5"),
        (("--psnr", "nan"), "positive and finite"),
    ],
)
def test_qualities_out_of_range_are_refused(words: tuple[str, ...], needle: str) -> None:
    with pytest.raises(UsageError, match=needle):
        rates_of(options(*words))


def test_every_option_of_nqenc_has_a_group_and_the_groups_their_order() -> None:
    assert tuple(NQENC.groups) == tuple(Group)
    assert NQENC.groups[Group.FILES] == ("--input", "--output", "--overwrite", "--no-overwrite")
    assert NQENC.groups[Group.RATE] == (
        *("--quality", "--psnr", "--bpp", "--bitrate", "--params"),
        *("--preset", "--iterations"),
    )


def parsed(text: str) -> int:
    raise ValueError("write a number" if text == "much" else "write a frame number")


@dataclass(frozen=True, kw_only=True)
class EncodeLike:
    """Options of each kind."""

    need: int = required_option("Needed.", "One", range=(0, 9))
    bpp: int | None = option(None, "Parsed.", "One", parse=parsed)
    seek: int = option(0, "Parsed, too.", "Two", parse=parsed)
    kind: Literal["a", "b"] = option("a", "One of two.", "Two", show_default=True)
    names: tuple[str, ...] = option((), "Repeated.", "Two", flags=("-n", "--name"), repeatable=True)
    tidy: bool = option(True, "Do not tidy.", "One")
    extra: str = "from elsewhere"


def command(seen: list[EncodeLike]) -> click.Command:
    @click.command(cls=HelpCommand, page=HelpPage(groups=groups_of(EncodeLike)))
    @click.option("--extra", default="given")
    @options_of(EncodeLike)
    def main(options: EncodeLike) -> None:
        seen.append(options)

    return main


def test_a_command_is_called_with_the_dataclass() -> None:
    seen: list[EncodeLike] = []
    done = CliRunner().invoke(command(seen), ["--need", "3", "--no-tidy", "-n", "x", "--name", "y"])
    assert done.exit_code == 0, done.output
    assert seen == [EncodeLike(need=3, tidy=False, names=("x", "y"), extra="given")]


def test_a_value_that_cannot_be_read_is_one_line() -> None:
    for option_name, text, reported in (
        ("--bpp", "much", "write a number"),
        ("--seek", "soon", "write a frame number"),
    ):
        done = CliRunner().invoke(command([]), ["--need", "1", option_name, text])
        assert done.exit_code == 2
        assert done.stderr.startswith(f"error: {option_name} {text}: {reported}")
        assert done.stderr.count("\n") == 1


def test_what_has_no_default_is_required_and_ranges_and_choices_hold() -> None:
    for words, reported in (
        ([], "--need"),
        (["--need", "10"], "0<=x<=9"),
        (["--need", "1", "--kind", "c"], "'a', 'b'"),
    ):
        done = CliRunner().invoke(command([]), words)
        assert done.exit_code == 2
        assert reported in done.stderr


def test_groups_name_options_as_help_shows_them() -> None:
    assert groups_of(EncodeLike) == {
        "One": ("--need", "--bpp", "--no-tidy"),
        "Two": ("--seek", "--kind", "--name"),
    }


def counts(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split("+"))


@dataclass(frozen=True, kw_only=True)
class ToolLike(EncodeLike):
    """Options of a command that shares some with another."""

    kind: Literal["a", "b"] = same_option(EncodeLike, "kind", help="In other words.")
    counts: tuple[int, ...] = parsed_option("1+2", counts, "Some.", "Three")
    share: float = option(0.5, "Above 0.", "Three", range=(0, 1), open_range=True)


def test_a_command_may_say_it_in_other_words() -> None:
    known = {one.name: (one.default, described) for one, described in option_fields(ToolLike)}
    default, described = known["kind"]
    assert (default, described.help, described.group, described.show_default) == ("a", "In other words.", "Two", True)


def test_a_default_is_shown_as_it_is_written_and_given_as_it_is_parsed() -> None:
    seen: list[ToolLike] = []

    @click.command(cls=HelpCommand, page=HelpPage(groups=groups_of(ToolLike)))
    @click.option("--extra", default="given")
    @options_of(ToolLike)
    def main(options: ToolLike) -> None:
        seen.append(options)

    for words in ([], ["--counts", "3+4+5"]):
        assert CliRunner().invoke(main, ["--need", "1", *words]).exit_code == 0
    assert [one.counts for one in seen] == [(1, 2), (3, 4, 5)]
    assert ToolLike(need=1).counts == (1, 2)
    assert "Some.  [default: 1+2]" in CliRunner().invoke(main, ["--help"]).stdout
    refused = CliRunner().invoke(main, ["--need", "1", "--share", "0"])
    assert (refused.exit_code, "0<x<=1" in refused.stderr) == (2, True)


def test_groups_that_a_class_adds_come_first() -> None:
    assert tuple(groups_of(ToolLike)) == ("Three", "One", "Two")
