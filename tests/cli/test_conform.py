"""nqtool conform: right and wrong decoders, reports, exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nqcodec.cli.nqtool import main
from nqcodec.decoder import conformance
from nqcodec.errors import InputError, UsageError

NQDEC = f"{sys.executable} -m nqcodec.cli.nqdec -q {{in}} -o {{out}}"
FEW = ("--only", "op-add", "--only", "refuse-hash-last", "--only", "refuse-version-3-0")


def conform(*options: str) -> Result:
    return CliRunner().invoke(main, ["conform", *options])


def fake(tmp_path: Path, body: str) -> str:
    """A decoder that is a Python script; `source` and `out` are its arguments."""
    script = tmp_path / "decoder.py"
    script.write_text(f"import os, sys, time, shutil\nsource, out = sys.argv[1:]\n{body}\n", encoding="utf-8")
    return f"{sys.executable} -S {script} {{in}} {{out}}"


def reasons(decoder: str, *only: str, timeout: float = 60.0) -> dict[str, str]:
    """Reasons by vector of those that a decoder fails."""
    outcomes = conformance.run_command(conformance.load_vectors(only=only), decoder, timeout)
    return {outcome.vector.name: outcome.reason for outcome in outcomes if outcome.reason}


def copied(folder: Path, name: str, **changes: Any) -> Path:
    """A folder of one vector, its descriptor changed."""
    (folder / f"{name}.nq").write_bytes((conformance.FOLDER / f"{name}.nq").read_bytes())
    reported = json.loads((conformance.FOLDER / f"{name}.json").read_text(encoding="utf-8")) | changes
    (folder / f"{name}.json").write_text(json.dumps(reported), encoding="utf-8")
    return folder


def test_our_own_command_passes_as_any_decoder() -> None:
    result = conform("--decoder", NQDEC, "--strict", *FEW)
    assert result.exit_code == 0
    assert "3 of 3 vectors passed (1 legal, 2 to be refused)" in result.output


def test_a_backend_reports_by_feature() -> None:
    result = conform("--backend", "reference", "--only", "op-norm", "--only", "op-norm-one-channel", "--json")
    reported = json.loads(result.output)["reference"]
    assert (result.exit_code, reported["vectors"], reported["passed"], reported["failures"]) == (0, 2, 2, {})
    assert reported["features"]["operation:norm"] == [2, 2]
    text = conform("--backend", "reference", "--only", "op-norm", "--only", "op-norm-one-channel", "-v").output
    assert "norm:constant                   1 of 1" in text


def test_listing_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "check_backend", None)
    result = conform("--list", "--only", "limit:*")
    assert result.exit_code == 0
    assert "refuse-limit-macs" in result.output
    assert "LimitError" in result.output
    assert json.loads(conform("--list", "--json", "--only", "op-add").output)[0]["name"] == "op-add"


def test_a_decoder_that_does_nothing_fails_every_vector() -> None:
    result = conform("--decoder", "true {in} {out}", "-q", "--only", "op-*", "--only", "refuse-[a-o]*")
    assert result.exit_code == 100
    assert "FAILED op-add: exit code 0, and no output" in result.output
    assert "FAILED refuse-empty: played, where FormatError was expected" in result.output


def test_a_decoder_that_refuses_everything_fails_the_legal_ones() -> None:
    assert set(reasons("false {in} {out}", "op-add", "refuse-empty")) == {"op-add"}
    assert conform("--decoder", "false {in} {out}", *FEW).exit_code == 1


def test_strictly_a_refusal_needs_its_exit_code() -> None:
    vectors = conformance.load_vectors(only=["refuse-hash-last", "refuse-empty"])
    outcomes = conformance.run_command(vectors, "false {in} {out}", strict=True)
    assert [outcome.reason for outcome in outcomes] == ["", "exit code 1 where 5 (HashError) was expected"]


def test_wrong_pictures_are_found(tmp_path: Path) -> None:
    decoder = fake(tmp_path, "open(out, 'wb').write(bytes(16 * 12 * 2))")
    assert "frame 0: MD5" in reasons(decoder, "op-add")["op-add"]
    half = fake(tmp_path, "open(out, 'wb').write(bytes(3))")
    assert "3 frames instead of 2" in reasons(half, "op-add")["op-add"]


def test_what_a_refusal_leaves_behind_is_a_failure(tmp_path: Path) -> None:
    decoder = fake(tmp_path, "open(out + '.part', 'wb').write(b'x'); sys.exit(1)")
    assert reasons(decoder, "refuse-empty") == {"refuse-empty": "refused, and left out.yuv.part behind"}


def test_signals_and_hangs_are_no_refusals(tmp_path: Path) -> None:
    killed = fake(tmp_path, "print('bad', file=sys.stderr, flush=True); os.kill(os.getpid(), 11)")
    assert reasons(killed, "refuse-empty") == {"refuse-empty": "ended by signal 11: bad"}
    hangs = fake(tmp_path, "time.sleep(60)")
    assert reasons(hangs, "refuse-empty", timeout=0.2) == {"refuse-empty": "not done after 0.2 s"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--decoder", "nqdec {in}"), "where {in} and {out} go"),
        (("--decoder", "/no/such/decoder {in} {out}", *FEW), "cannot be started"),
        (("--decoder", NQDEC, "--backend", "native"), "give one of them"),
        (("--only", "no-such-feature"), "no vector has a name or a feature like no-such-feature"),
    ],
)
def test_options_that_make_no_sense(options: tuple[str, ...], message: str) -> None:
    result = conform(*options)
    assert result.exit_code == 2
    assert message in result.output


def test_folders_that_are_no_vectors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no conformance vectors"):
        conformance.load_vectors(tmp_path)
    copied(tmp_path, "op-add")
    assert [vector.name for vector in conformance.load_vectors(tmp_path)] == ["op-add"]
    with pytest.raises(UsageError, match="like op-mul"):
        conformance.load_vectors(tmp_path, ["op-mul"])
    (tmp_path / "op-add.nq").write_bytes(b"other")
    with pytest.raises(InputError, match="is not the file that its descriptor is about"):
        conformance.load_vectors(tmp_path)
    (tmp_path / "op-add.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is no descriptor"):
        conformance.load_vectors(tmp_path)


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("op-add", {"width": 17}, "width 16 instead of 17"),
        ("op-add", {"frame_md5": ["0" * 32] * 2}, "frame 0: MD5"),
        ("op-add", {"frame_md5": ["0" * 32]}, "2 frames instead of 1"),
        ("op-add", {"md5": "0" * 32}, "instead of 000"),
        ("op-add", {"error": "FormatError"}, "played, where FormatError was expected"),
        ("refuse-hash-last", {"error": "FormatError"}, "HashError where FormatError was expected"),
    ],
)
def test_a_backend_that_differs_from_a_descriptor_fails(
    tmp_path: Path, name: str, changes: dict[str, Any], reason: str
) -> None:
    vectors = conformance.load_vectors(copied(tmp_path, name, **changes))
    outcomes = list(conformance.run_backend(vectors, "reference"))
    assert reason in outcomes[0].reason


def test_a_crash_of_a_backend_is_a_failure_of_one_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise IndexError("7")

    monkeypatch.setattr(conformance, "read_file", broken)
    outcomes = list(conformance.run_backend(conformance.load_vectors(only=["op-add"]), "native"))
    assert outcomes[0].reason == "crashed: IndexError: 7"
