"""Options that users of other encoders and decoders look for, and what there is here instead."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import pairwise

QUALITY = "use --quality, 1 to 100, higher is better: 50 is about CRF 27 of x265"
COMPARE = "nqtool compare measures it against the original"
CODEC = "use --codec and --codec-option, such as --codec-option crf=18"
NO_ORIGINAL = "a decoder has no original: nqenc prints the PSNR of the file, and nqtool compare measures more"
ENCODING: Mapping[str, str] = {
    **dict.fromkeys(("--crf", "-crf", "--qp", "-qp", "--cqp", "--cq", "--cq-level", "-q:v"), QUALITY),
    **dict.fromkeys(("-b", "-b:v", "--tbr", "--target-bitrate", "--vbitrate"), "use --bitrate, in kb/s"),
    **dict.fromkeys(("--ssim", "--ms-ssim", "--vmaf"), COMPARE),
    **dict.fromkeys(("--width", "--height", "-w", "-s", "--size", "--input-size", "--video_size"), "use --input-res"),
    **dict.fromkeys(("-r", "--framerate", "--input-fps", "--fps-num", "--fps-denom"), "use --fps"),
    **dict.fromkeys(("--pix_fmt", "-pix_fmt"), "use --csp and --depth, of raw input --input-csp and --input-depth"),
    "--output-csp": "use --csp",
    "--output-depth": "use --depth",
    **dict.fromkeys(("--skip", "-ss"), "use --seek"),
    **dict.fromkeys(("--limit", "-n", "-t", "-frames:v", "-vframes"), "use --frames"),
    **dict.fromkeys(("--keyint", "--gop", "-g", "--min-keyint", "--scenecut", "--no-scenecut"), "use --segment"),
    **dict.fromkeys(("--pools", "--lp", "--frame-threads"), "use --threads and --jobs"),
    **dict.fromkeys(("--speed", "--cpu-used", "-preset"), "use --preset"),
    "--lossless": "a fitted network is always lossy; use --bpp for the rate",
}
"""Of nqenc: names in x264, x265, SVT-AV1, aomenc and ffmpeg, and what to do instead."""
DECODING: Mapping[str, str] = {
    **dict.fromkeys(("--crf", "-crf", "--qp", "-qp"), CODEC),
    **dict.fromkeys(("-c:v", "--vcodec", "-vcodec"), "use --codec"),
    **dict.fromkeys(("--psnr", "--ssim", "--vmaf"), NO_ORIGINAL),
    **dict.fromkeys(("--seek", "--skip", "-ss", "--limit", "-t", "-n", "-frames:v", "-vframes"), "use --frames A:B"),
}
"""Of nqdec: names in dav1d, ffmpeg and encoders."""


def instead(table: Mapping[str, str], words: Sequence[str], known: Container[str]) -> str:
    """The hint for the first of a call's `words` that `table` has and the `known` options lack, or nothing."""
    for word in words:
        name = word.partition("=")[0]
        if name in table and name not in known:
            return f"there is no option {name}: {table[name]}"
    return ""


def json_file(words: Sequence[str], known: Container[str]) -> str:
    """The hint for a file that is given to --json, which is a flag, or nothing."""
    for word, following in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        file = value if equals else following
        if name == "--json" and (equals or file.lower().endswith(".json")):
            way = f"use --save {file}" if "--save" in known else f"use --json > {file}"
            return f"--json takes no file and prints to standard output: {way}"
    return ""
