"""The native nqdec beside Python's: the same bytes, texts and exit codes, on the same calls."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from mutations import base_files, mutant
from segmented import segmented

from nqcodec.cli.launch import is_native
from nqcodec.cli.nqdec import main as nqdec
from nqcodec.decoder.conformance import load_vectors, run_command, summary
from nqcodec.native.program import NQDEC

pytestmark = pytest.mark.skipif(not NQDEC.exists(), reason="the native nqdec was not built")

TIMES = re.compile(r"\d+\.\d+ s \(\d+\.\d fps")
ENV = {**os.environ, "NQCODEC_BACKEND": "native"}


@dataclass(frozen=True)
class Answer:
    """What a command says; times are left out."""

    code: int
    stdout: bytes
    stderr: str


def native(words: list[str], stdin: bytes = b"") -> Answer:
    """The native program's answer to a call."""
    done = subprocess.run([NQDEC, *words], input=stdin, capture_output=True, check=False, timeout=60, env=ENV)
    return Answer(done.returncode, done.stdout, TIMES.sub("TIME", done.stderr.decode()))


def python(words: list[str], stdin: bytes = b"") -> Answer:
    """Python's."""
    done = CliRunner().invoke(nqdec, words, input=stdin, env=ENV, prog_name="nqdec")
    return Answer(done.exit_code, done.stdout_bytes, TIMES.sub("TIME", done.stderr))


@pytest.fixture
def folder(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in: the sample, parts of it, and what a call may meet."""
    monkeypatch.chdir(tmp_path)
    data = sample.read_bytes()
    Path("clips.nq").write_bytes(segmented([1, 1, 2, 1], clips=["a", None, "b"], hashed=True, timed=True))
    shutil.copy(sample, "sample.nq")
    Path("cut.nq").write_bytes(data[:1000])
    Path("no-end.nq").write_bytes(data[:-12])
    Path("damaged.nq").write_bytes(data[:600] + bytes([data[600] ^ 1]) + data[601:])
    Path("foreign.nq").write_bytes(b"YUV4MPEG2 W16 H16\n")
    Path("empty.nq").write_bytes(b"")
    Path("there.yuv").write_bytes(b"precious")
    Path("text.md5").write_text("no hash here")
    Path("wrong.md5").write_text("d41d8cd98f00b204e9800998ecf8427e  -\n")
    Path("folder").mkdir()
    return tmp_path


CALLS = [
    "sample.nq",
    "-i sample.nq --md5",
    "sample.nq --md5 -q",
    "sample.nq --info",
    "sample.nq --info --json",
    "sample.nq -o -",
    "sample.nq -o - --raw -q",
    "sample.nq -o out.yuv",
    "sample.nq -o out.y4m --threads 1 --low-memory",
    "sample.nq -oout.raw -yq",
    "sample.nq --frames 3 -o out.yuv",
    "sample.nq --frames 30: -o out.yuv",
    "sample.nq --frames :2 --md5",
    "sample.nq --frames 0.5s:0.6s --md5",
    "sample.nq --frames 0:00.5-0:00.6 --md5",
    "sample.nq --frames 500ms: --md5",
    "sample.nq --frames 40000us --md5",
    "sample.nq --frames 5-7 --md5",
    "sample.nq --frames 7:5",
    "sample.nq --frames 0:33",
    "sample.nq --frames 1:2:3x",
    "sample.nq --frames x",
    "clips.nq --clip a --md5",
    "clips.nq --clip 1 --frames 1: -o out.yuv",
    "clips.nq --clip b --frames 0:5",
    "clips.nq --clip c",
    "clips.nq --info",
    "sample.nq --clip 0",
    "sample.nq --verify d41d8cd98f00b204e9800998ecf8427e -o out.yuv",
    "sample.nq --verify wrong.md5",
    "sample.nq --verify text.md5",
    "sample.nq --verify missing.md5",
    "sample.nq --no-verify --log-level warning",
    "sample.nq --limits frames=1",
    "sample.nq --limits parameters=1K,memory=1G",
    "sample.nq --limits memory=1000",
    "sample.nq --limits macs_per_pixel=1",
    "sample.nq --limits map_bytes=1K",
    "sample.nq --limits picture_pixels=1",
    "sample.nq --limits memory=0",
    "sample.nq --limits memory=17T",
    "sample.nq --limits colour=3",
    "sample.nq --limits memory",
    "sample.nq --info --bench",
    "sample.nq --info -o out.yuv --md5",
    "sample.nq --bench --verify wrong.md5",
    "sample.nq --raw",
    "sample.nq --raw -o out.y4m",
    "sample.nq -o - --md5",
    "sample.nq -o - --json",
    "sample.nq -o there.yuv -n",
    "sample.nq -o there.yuv -n -y",
    "sample.nq -o there.yuv -q",
    "sample.nq -o missing/out.yuv",
    "sample.nq -o there.yuv/out.yuv",
    "sample.nq --save -",
    "sample.nq --save folder",
    "sample.nq --save missing/out.json",
    "sample.nq --save sample.nq",
    "sample.nq --save out.yuv -o out.yuv",
    "sample.nq -q --log-level debug",
    "sample.nq -i sample.nq",
    "sample.nq another.nq",
    "sample.nq --threads 0",
    "sample.nq --threads many",
    "sample.nq --progress slowly",
    "sample.nq --log-level loud",
    "sample.nq -o",
    "sample.nq --md5=1",
    "missing.nq",
    "folder",
    "empty.nq",
    "foreign.nq",
    "cut.nq -o out.yuv",
    "cut.nq -o -",
    "no-end.nq -o out.yuv",
    "no-end.nq -o -",
    "no-end.nq -o - --frames 3 --raw",
    "no-end.nq --info",
    "damaged.nq -o out.yuv",
    "damaged.nq --md5",
]


@pytest.mark.parametrize("call", CALLS)
def test_both_answer_a_call_alike(call: str, folder: Path) -> None:
    words, outputs = call.split(), []
    for command in (python, native):
        answer = command(words)
        if "--json" in words:
            answer = Answer(answer.code, json.dumps(json.loads(answer.stdout or b"0")).encode(), answer.stderr)
        left = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
        outputs.append((answer, left))
        for name in ("out.yuv", "out.y4m", "out.raw"):
            (folder / name).unlink(missing_ok=True)
        (folder / "there.yuv").write_bytes(b"precious")
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(
    "words", [["-", "-o", "-"], ["-", "--md5"], ["-", "-o", "-", "--frames", "3:"], ["-", "--bench"]]
)
@pytest.mark.parametrize("name", ["sample.nq", "cut.nq", "no-end.nq", "foreign.nq", "empty.nq"])
def test_both_answer_a_pipe_alike(words: list[str], name: str, folder: Path) -> None:
    data = (folder / name).read_bytes()
    assert native(words, data) == python(words, data)


def test_both_answer_every_vector_alike() -> None:
    """Texts of refusals above all: file, chunk, byte and reason."""
    for vector in load_vectors():
        call = [str(vector.path), "-o", "-"]
        assert native(call) == python(call), vector.name
        if vector.error:
            data = vector.path.read_bytes()
            assert native(["-", "-o", "-", "--raw"], data) == python(["-", "-o", "-", "--raw"], data), vector.name


def test_both_describe_every_vector_alike() -> None:
    for vector in load_vectors(only=["picture-*", "chunk-*", "op-*", "context-*", "hadamard-*", "refuse-c*"]):
        call = [str(vector.path), "--info"]
        assert native(call) == python(call), vector.name
        if not vector.error:
            found = [json.loads(command([*call, "--json"]).stdout) for command in (native, python)]
            assert found[0] == found[1], vector.name


HOSTILE = "parameters=256K,macs_per_pixel=512,map_bytes=16M,picture_pixels=256K,frames=1K,memory=256M"
"""What a damaged file may ask for: seconds and megabytes, not minutes and gigabytes."""


def test_both_answer_damaged_files_alike(tmp_path: Path) -> None:
    """Of any damage: the same planes as far as there are some, and the same words about the rest."""
    files = base_files(6)
    everything, path = [data for _, data in files], tmp_path / "damaged.nq"
    outcomes: set[int] = set()
    for number in range(400):
        path.write_bytes(mutant(files[number % len(files)][1], everything, 11, number))
        call = [str(path), "--limits", HOSTILE, "--threads", "1", "-o", "-", "--raw"]
        answer = native(call)
        assert answer == python(call), number
        outcomes.add(answer.code)
    assert outcomes >= {0, 1, 3, 4, 5}


def test_every_vector_passes_as_a_foreign_decoder() -> None:
    result = summary(list(run_command(load_vectors(), f"{NQDEC} {{in}} -o {{out}} -q", strict=True)))
    assert result["failures"] == {}
    assert result["passed"] == result["vectors"] > 600


@pytest.mark.parametrize("level", ["scalar", "avx2", "no-such-level"])
def test_the_environment_names_the_instruction_set(level: str, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENV, "NQCODEC_CPU", level)
    call = [str(sample), "--frames", "0:2", "--md5", "-q"]
    assert native(call) == python(call)


def test_summary_and_figures_as_json(folder: Path) -> None:
    for words in (["--json", "-q"], ["--save", "saved.json", "-q"]):
        found = []
        for command in (native, python):
            answer = command(["sample.nq", "--frames", "4:9", *words])
            result = json.loads(answer.stdout or (folder / "saved.json").read_text())
            assert result.pop("seconds") > 0
            assert result.pop("fps") > 0
            found.append(result)
        assert found[0] == found[1]
    figures = json.loads(native(["sample.nq", "--bench", "--frames", "0:4", "--json"]).stdout)
    expected = json.loads(python(["sample.nq", "--bench", "--frames", "0:4", "--json"]).stdout)
    only_python = {"colour_ms", "dense_gmac_per_s", "dense_share_of_peak"}
    assert set(figures) == set(expected) - only_python
    assert figures["frames"] == 4
    assert figures["kmac_per_pixel"] == expected["kmac_per_pixel"]


def test_progress_as_json(sample: Path) -> None:
    call = [str(sample), "--progress", "json", "-q"]
    lines = [[json.loads(line) for line in command(call).stderr.splitlines()] for command in (native, python)]
    assert [set(line) for line in lines[0][-1:]] == [set(line) for line in lines[1][-1:]]
    assert lines[0][-1]["iteration"] == lines[0][-1]["of"] == 32


def test_what_only_python_has_is_said_by_name(sample: Path, tmp_path: Path) -> None:
    for words in (["-o", "a.png"], ["-o", "a.mp4"], ["-o", f"{tmp_path}/"], ["--codec", "x"], ["--backend", "cuda"]):
        answer = native([str(sample), *words])
        assert answer.code == 3
        assert "Python command nqdec" in answer.stderr
        assert not is_native([str(sample), *words])


@pytest.mark.parametrize(
    "words", ["", "--help", "a.nq --bench", "-h", "--version", "a.nq --crf 3", "a.nq -o b.avi", "--md5"]
)
def test_python_answers_what_the_native_program_lacks(words: str) -> None:
    assert not is_native(words.split())


@pytest.mark.parametrize("words", ["a.nq", "a.nq -o b.yuv", "- -o - --raw", "-i a.nq --info --json", "a.nq --frames=3"])
def test_the_native_program_is_started_where_it_can(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_native(words.split())
    monkeypatch.setenv("NQCODEC_BACKEND", "reference")
    assert not is_native(words.split())


def test_a_stop_leaves_nothing_behind(sample: Path, tmp_path: Path) -> None:
    """SIGTERM while it waits for the rest of its input: 143, and no file."""
    with subprocess.Popen(
        [NQDEC, "-", "-o", tmp_path / "out.yuv"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV
    ) as running:
        assert running.stdin is not None
        running.stdin.write(sample.read_bytes()[:500])
        running.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.3)
        running.terminate()
        _, words = running.communicate(timeout=20)
    assert running.returncode == 143
    assert words == b"terminated: nothing was written\n"
    assert not list(tmp_path.iterdir())


def test_a_reader_that_goes_away_is_no_news(sample: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([NQDEC, sample, "-o", "-"], stdout=write, stderr=subprocess.PIPE, check=False, env=ENV)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == b""


def test_a_full_disk_leaves_nothing_behind(sample: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    answer = native([str(sample), "-o", "/dev/full", "--raw"])
    assert answer == python([str(sample), "-o", "/dev/full", "--raw"])
    assert answer.code == 1
    assert "the disk is full" in answer.stderr
