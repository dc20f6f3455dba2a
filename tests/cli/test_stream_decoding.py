"""nqdec from a pipe: frames of a segment go out before the next one has come in, and a cut is told after them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from segmented import VIDEO, segmented

from nqcodec.bitstream.chunks import pack_chunk, read_chunks
from nqcodec.cli.nqdec import main as nqdec

DATA = segmented([1, 2, 1], metadata=None)
ENDS = [chunk.end for chunk in read_chunks(DATA, "") if chunk.kind == "SEGM"]
CODE = "from nqcodec.cli.nqdec import main; main()"
RAW = ["-o", "-", "--raw"]


def decode(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(nqdec, [*map(str, words)], input=stdin)


def test_frames_go_out_before_the_next_segment_has_come_in() -> None:
    command = [sys.executable, "-c", CODE, "-", *RAW, "-q"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        begin = 0
        for end in ENDS:
            process.stdin.write(DATA[begin:end])
            process.stdin.flush()
            assert len(process.stdout.read(2 * VIDEO.frame_bytes)) == 2 * VIDEO.frame_bytes
            begin = end
        process.stdin.write(DATA[begin:])
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


def test_a_pipe_gives_what_a_file_gives(tmp_path: Path) -> None:
    path = tmp_path / "x.nq"
    path.write_bytes(DATA)
    piped = decode("-", *RAW, stdin=DATA)
    assert piped.exit_code == 0, piped.output
    assert piped.stdout_bytes == decode(path, *RAW).stdout_bytes
    assert "6 frames" in piped.stderr


@pytest.mark.parametrize("from_pipe", [False, True])
@pytest.mark.parametrize("length", [ENDS[0], ENDS[1] - 1, ENDS[1], ENDS[2] + 5, len(DATA) - 1])
def test_a_cut_stream_plays_up_to_there(length: int, from_pipe: bool, tmp_path: Path) -> None:
    path, frames = tmp_path / "cut.nq", 2 * sum(end <= length for end in ENDS)
    path.write_bytes(DATA[:length])
    done = decode("-", *RAW, stdin=DATA[:length]) if from_pipe else decode(path, *RAW)
    assert done.exit_code == 1
    assert len(done.stdout_bytes) == frames * VIDEO.frame_bytes
    assert "truncated" in done.stderr
    assert f"{frames} frames went to standard output before that" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_cut_file_leaves_no_output_and_says_how_to_get_at_what_is_whole(tmp_path: Path) -> None:
    path, out = tmp_path / "cut.nq", tmp_path / "out.y4m"
    path.write_bytes(DATA[: ENDS[1]])
    done = decode(path, "-o", out)
    assert done.exit_code == 1
    assert not out.exists()
    assert f"nqtool cut {path} 0:4 -o OUT.nq" in done.stderr
    assert decode(path, "--md5").exit_code == 1


def test_a_wrong_hash_is_reported_after_the_segment_and_ends_the_stream() -> None:
    chunks = list(read_chunks(DATA, ""))
    second = [chunk for chunk in chunks if chunk.kind == "SEGM"][1]
    payload = bytes([*second.payload[:2], second.payload[2] ^ 1, *second.payload[3:]])
    spoilt = DATA[: second.offset] + pack_chunk("SEGM", payload) + DATA[second.end :]
    done = decode("-", *RAW, stdin=spoilt)
    assert done.exit_code == 5
    assert len(done.stdout_bytes) == 4 * VIDEO.frame_bytes
    assert "segment 1 decodes to MD5" in done.stderr
    assert decode("-", *RAW, "--no-verify", stdin=spoilt).exit_code == 0


def test_a_part_of_a_stream_is_decoded_once_it_is_there() -> None:
    done = decode("-", *RAW, "--frames", "3:5", stdin=DATA)
    assert done.exit_code == 0
    assert len(done.stdout_bytes) == 2 * VIDEO.frame_bytes


def test_progress_of_a_stream_has_no_total() -> None:
    done = decode("-", *RAW, "--progress", "json", "-q", stdin=DATA)
    assert done.exit_code == 0
    assert '"of": 0' in done.stderr
