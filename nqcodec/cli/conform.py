"""nqtool conform: the conformance vectors against our backends, or against any decoder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from nqcodec.cli.common import guarded, log_options
from nqcodec.cli.help import HelpCommand
from nqcodec.cli.pages import CONFORM
from nqcodec.cli.progress import progress_bar
from nqcodec.cli.results import check_save, give_out, save_option
from nqcodec.decoder.conformance import (
    FOLDER,
    TIMEOUT,
    Outcome,
    Vector,
    load_vectors,
    run_backend,
    run_command,
    summary,
)
from nqcodec.errors import UsageError

MOST_FAILURES = 100
"""Largest exit code: those above mean something else to a shell."""


@click.command(cls=HelpCommand, page=CONFORM)
@click.option("--decoder", metavar="'CMD {in} {out}'", help="Any decoder: {out} receives raw planar frames.")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    type=click.Choice(["reference", "native", "cuda"]),
    help="Of ours, repeatable; default: all present.",
)
@click.option("--vectors", "folder", metavar="DIR", help="Default: those that come with nqcodec.")
@click.option(
    "--only", multiple=True, metavar="PATTERN", help="Vectors of that name or feature, e.g. 'op-*' or 'operation:norm'."
)
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Of a backend.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=TIMEOUT,
    show_default=True,
    help="Seconds that --decoder may take for a vector.",
)
@click.option("--strict", is_flag=True, help="--decoder must refuse with the exit codes of nqdec.")
@click.option("--list", "listing", is_flag=True, help="List the vectors and run nothing.")
@save_option("Write the results, or with --list the vectors, there as JSON.")
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Every feature instead of their kinds.")
@guarded
@log_options
def conform(**options: Any) -> None:
    """Run the conformance vectors of formats/conformance.

    A decoder passes a legal vector if its frames have the MD5 in the descriptor, and another one if it refuses it: a
    backend of ours with the error named there, a --decoder with an exit code other than 0 and no output left behind.
    The exit code is the number of failures, at most 100.
    """
    if options["decoder"] and options["backends"]:
        raise UsageError("--decoder and --backend ask for different things: give one of them")
    check_save(options["save"])
    vectors = load_vectors(Path(options["folder"] or FOLDER), options["only"])
    if options["listing"]:
        descriptors = [vector.descriptor for vector in vectors]
        give_out(descriptors, options["save"], options["as_json"], lambda: "\n".join(listed(vectors)))
        return
    results = {}
    for name, outcomes in runs(vectors, options):
        with progress_bar(len(vectors), name, "vector", options["quiet"]) as bar:
            results[name] = summary(list(watched(outcomes, bar)))
        if not options["as_json"]:
            click.echo("\n".join(lines(name, results[name], options["verbose"])))
    give_out(results, options["save"], options["as_json"])
    sys.exit(min(MOST_FAILURES, sum(len(result["failures"]) for result in results.values())))


def listed(vectors: list[Vector]) -> list[str]:
    """A line for each vector."""
    return [f"{vector.name:<40} {vector.error or 'plays':<17} {vector.descriptor['purpose']}" for vector in vectors]


def runs(vectors: list[Vector], options: dict[str, Any]) -> Iterator[tuple[str, Iterator[Outcome]]]:
    """(name, outcomes) of each decoder asked for, one after the other."""
    if options["decoder"]:
        yield options["decoder"], run_command(vectors, options["decoder"], options["timeout"], strict=options["strict"])
        return
    from nqcodec.synthesis.backends import available, choose

    present = [name for name, reason in available().items() if not reason]
    for backend in options["backends"] or present:
        yield choose(backend), run_backend(vectors, backend, options["threads"])


def watched(outcomes: Iterator[Outcome], bar: Any) -> Iterator[Outcome]:
    """The outcomes, each of which moves the bar on."""
    for outcome in outcomes:
        bar.update()
        yield outcome


def lines(name: str, result: dict[str, Any], verbose: bool) -> list[str]:
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
