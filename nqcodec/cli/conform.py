"""nqtool conform: the conformance vectors against our backends, or against any decoder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from nqcodec.cli.common import guarded, log_options
from nqcodec.cli.help import HelpCommand, HelpPage
from nqcodec.cli.options import groups_of, options_of
from nqcodec.cli.progress import Bar, progress_bar
from nqcodec.cli.results import RESULTS, ResultOptions, check_save, give_out
from nqcodec.decoder.conformance import (
    FOLDER,
    TIMEOUT,
    Outcome,
    Summary,
    Vector,
    load_vectors,
    run_backend,
    run_command,
    summary,
)
from nqcodec.encoder.option import option, same_option
from nqcodec.errors import UsageError

MOST_FAILURES = 100
"""Largest exit code: those above mean something else to a shell."""


DECODERS, VECTORS = "What decodes", "Vectors"


@dataclass(frozen=True, kw_only=True)
class ConformOptions(ResultOptions):
    """What a call of nqtool conform says."""

    backends: tuple[str, ...] = option(
        (),
        "Of ours, repeatable; default: all present.",
        DECODERS,
        flags=("--backend",),
        choices=("reference", "native", "cuda"),
        repeatable=True,
    )
    decoder: str | None = option(
        None, "Any decoder: {out} receives raw planar frames.", DECODERS, metavar="'CMD {in} {out}'"
    )
    strict: bool = option(False, "--decoder must refuse with the exit codes of nqdec.", DECODERS)
    timeout: float = option(
        TIMEOUT,
        "Seconds that --decoder may take for a vector.",
        DECODERS,
        range=(0, None),
        open_range=True,
        show_default=True,
    )
    threads: int = option(1, "Of a backend.", DECODERS, range=(1, 1024), show_default=True)
    folder: str | None = option(
        None, "Default: those that come with nqcodec.", VECTORS, flags=("--vectors",), metavar="DIR"
    )
    only: tuple[str, ...] = option(
        (),
        "Vectors of that name or feature, e.g. 'op-*' or 'operation:norm'.",
        VECTORS,
        metavar="PATTERN",
        repeatable=True,
    )
    listing: bool = option(False, "List the vectors and run nothing.", VECTORS, flags=("--list",))
    save: str | None = same_option(
        ResultOptions, "save", help="Write the results, or with --list the vectors, there as JSON."
    )
    as_json: bool = same_option(ResultOptions, "as_json", help="JSON on stdout.")
    verbose: bool = option(False, "Every feature instead of their kinds.", RESULTS, flags=("-v", "--verbose"))
    quiet: bool


CONFORM = HelpPage(
    groups=groups_of(ConformOptions),
    examples=(
        ("nqtool conform", "Every vector on every backend of this machine."),
        ("nqtool conform --decoder 'nqdec {in} -o {out} -q' --only 'context-*'", "Any decoder, some vectors."),
    ),
    see_also=("formats/conformance/README.md", "formats/nq.md"),
)


@click.command(cls=HelpCommand, page=CONFORM)
@guarded
@log_options
@options_of(ConformOptions)
def conform(options: ConformOptions) -> None:
    """Run the conformance vectors of formats/conformance.

    A decoder passes a legal vector if its frames have the MD5 in the descriptor, and another one if it refuses it: a
    backend of ours with the error named there, a --decoder with an exit code other than 0 and no output left behind.
    The exit code is the number of failures, at most 100.
    """
    if options.decoder and options.backends:
        raise UsageError("--decoder and --backend ask for different things: give one of them")
    check_save(options.save)
    vectors = load_vectors(Path(options.folder or FOLDER), options.only)
    if options.listing:
        descriptors = [vector.descriptor for vector in vectors]
        give_out(descriptors, options, lambda: "\n".join(listed(vectors)))
        return
    results = {}
    for name, outcomes in runs(vectors, options):
        with progress_bar(len(vectors), name, "vector", options.quiet) as bar:
            results[name] = summary(list(watched(outcomes, bar)))
        if not options.as_json:
            click.echo("\n".join(lines(name, results[name], options.verbose)))
    give_out(results, options)
    sys.exit(min(MOST_FAILURES, sum(len(result["failures"]) for result in results.values())))


def listed(vectors: list[Vector]) -> list[str]:
    """A line for each vector."""
    return [f"{vector.name:<40} {vector.error or 'plays':<17} {vector.descriptor['purpose']}" for vector in vectors]


def runs(vectors: list[Vector], options: ConformOptions) -> Iterator[tuple[str, Iterator[Outcome]]]:
    """(name, outcomes) of each decoder asked for, one after the other."""
    if options.decoder:
        yield options.decoder, run_command(vectors, options.decoder, options.timeout, strict=options.strict)
        return
    from nqcodec.synthesis.backends import available, choose

    present = [name for name, reason in available().items() if not reason]
    for backend in options.backends or present:
        yield choose(backend), run_backend(vectors, backend, options.threads)


def watched(outcomes: Iterator[Outcome], bar: Bar) -> Iterator[Outcome]:
    """The outcomes, each of which moves the bar on."""
    for outcome in outcomes:
        bar.update()
        yield outcome


def lines(name: str, result: Summary, verbose: bool) -> list[str]:
    """A report: counts, passed and all vectors by feature or kind of feature, failures."""
    out = [
        f"{name}: {result['passed']} of {result['vectors']} vectors passed "
        f"({result['legal']} legal, {result['vectors'] - result['legal']} to be refused) in {result['seconds']:.2f} s"
    ]
    features = result["features"] if verbose else by_kind(result["features"])
    out += [f"  {feature:<28} {passed:>4} of {count:<4}" for feature, (passed, count) in features.items()]
    out += [f"  FAILED {vector}: {reason}" for vector, reason in result["failures"].items()]
    return out


def by_kind(features: dict[str, list[int]]) -> dict[str, list[int]]:
    """Of each kind of feature, how many features have passed with all their vectors, and how many there are."""
    kinds: dict[str, list[int]] = {}
    for feature, (passed, count) in features.items():
        counts = kinds.setdefault(feature.partition(":")[0], [0, 0])
        counts[0] += passed == count
        counts[1] += 1
    return kinds
