"""What the commands' manuals say beyond their options: groups, first screens, examples, pointers."""

from __future__ import annotations

from nqcodec.cli.foreign import DECODING, ENCODING
from nqcodec.cli.help import BACKEND, CPU, INSTALL, Page

GUIDE = "docs/guide.md"
CLIP_FORMAT = ("--input-res", "--fps", "--input-csp", "--input-depth", "--seek", "--frames")
THREADS = (
    "CUDA_VISIBLE_DEVICES",
    "which GPUs --device cuda may use (of CUDA, not of nqcodec)",
)

NQENC = Page(
    groups={
        "Files": ("--input", "--output", "--overwrite", "--no-overwrite"),
        "Rate (exactly one) and effort": ("--bpp", "--bitrate", "--params", "--preset", "--steps"),
        "The clip": CLIP_FORMAT,
        "The file": ("--csp", "--depth", "--segment", "--motion", "--hash", "--no-metadata", "--coder"),
        "Network and method": ("--arch", "--method", "--arch-preset"),
        "Machine": ("--device", "--threads", "--jobs", "--seed"),
        "Going on, and more rates": ("--resume", "--fresh", "--save-fit", "--fit"),
        "What is told beside the file": ("--metrics", "--report", "--csv", "--tensorboard", "--json", "--save"),
        "Departures of a plain fit (--method plain) from its preset": (
            *("--recipe", "--loss", "--optimizer", "--schedule", "--ema", "--coarse", "--prune", "--quant-noise"),
            "--patch",
        ),
    },
    short=("--bpp", "--bitrate", "--output", "--preset", "--input-res", "--fps", "--device", "--resume"),
    examples=(
        ("nqenc clip.y4m --bpp 0.1 -o clip.nq", "At most 0.1 bits a pixel, the whole file counted."),
        (
            "nqenc clip.yuv --input-res 1920x1080 --fps 50 --bitrate 800 -o clip.nq",
            "Raw video says neither its size nor its rate.",
        ),
        (
            "nqenc clip.y4m --bpp 0.05,0.1 --preset fast -o clip_{bpp}.nq",
            "Two files, clip_0.05.nq and clip_0.1.nq, from one fit.",
        ),
        (
            "nqenc clip.y4m --bpp 0.1 -o clip.nq --report clip.html --csv clip.csv",
            "With a page and a table to look at.",
        ),
        ("nqenc clip.y4m --bpp 0.1 -o clip.nq --resume", "Go on after Ctrl-C: the same command with --resume."),
        ("ffmpeg -v error -i film.mp4 -f yuv4mpegpipe - | nqenc - --bpp 0.1 -o film.nq", "From a pipe, in y4m or raw."),
        (
            "nqenc clip.mp4 --csp rgb --arch hnerv --arch-preset bunny-1.5m -o clip.nq",
            "A published network, of its own size, on a clip of the size it was published for.",
        ),
    ),
    environment=(BACKEND, CPU, THREADS, INSTALL),
    see_also=("nqdec --help", "nqtool --help", f"{GUIDE}: rates, presets, devices, formats, resuming", "docs/rate.md"),
    foreign=ENCODING,
)

NQDEC = Page(
    groups={
        "Files": ("--input", "--output", "--overwrite", "--no-overwrite", "--frames"),
        "Kinds of output": ("--raw", "--codec", "--codec-option", "--audio"),
        "Checks": ("--md5", "--verify", "--no-verify"),
        "Instead of decoding to a file": ("--info", "--bench"),
        "Machine": ("--backend", "--threads", "--low-memory", "--limits"),
        "Results": ("--json", "--save"),
    },
    short=("--output", "--frames", "--info", "--md5", "--verify", "--bench"),
    examples=(
        ("nqdec clip.nq -o clip.y4m", "The whole clip, checked against the hashes in the file."),
        ("nqdec clip.nq -o - | ffplay -", "Watch it."),
        ("curl -s https://example.org/clip.nq | nqdec - -o - | ffplay -", "From a pipe, into a pipe."),
        ("nqdec clip.nq --frames 100:150 -o frames/%05d.png", "Fifty frames as pictures; none before them is decoded."),
        ("nqdec clip.nq -o - --raw | md5sum", "Raw planes; the same as nqdec --md5."),
        (
            "nqdec clip.nq -o clip.mp4 --codec libx264 --codec-option crf=18",
            "Into another format, here lossy; without --codec, lossless.",
        ),
        ("nqdec clip.nq -o clip.mkv --audio clip.mp4", "With the original's audio, as it is."),
        ("nqdec clip.nq --verify clip.nq.md5 -q", "Conformance: exit code 5 if a single sample differs."),
    ),
    see_also=("nqenc --help", "nqtool --help", GUIDE, "formats/nq.md: the format"),
    foreign=DECODING,
)

NQTOOL = Page(
    examples=(
        ("nqtool info clip.nq --json", "Header, network and bytes by part, as data."),
        ("nqtool bench decode --file clip.nq", "How fast this machine decodes it."),
        (
            "nqtool compare clip.mkv --bpp 0.05,0.1 --preset fast -o clip.compare",
            "Curves against x264, x265 and SVT-AV1.",
        ),
    ),
    see_also=("nqtool COMMAND --help", "nqenc --help", "nqdec --help", GUIDE),
)

FRONT = Page(
    examples=(
        ("python -m nqcodec encode clip.y4m --bpp 0.1 -o clip.nq", "As nqenc clip.y4m --bpp 0.1 -o clip.nq."),
        ("python -m nqcodec decode clip.nq -o clip.y4m", "As nqdec clip.nq -o clip.y4m."),
        ("python -m nqcodec tool info clip.nq", "As nqtool info clip.nq."),
    ),
    see_also=("python -m nqcodec encode --help", "python -m nqcodec decode --help", GUIDE),
)

INFO = Page(
    examples=(("nqtool info a.nq b.nq", "One description after another; nqdec --info is the same for one file."),),
    see_also=("nqdec --help", "formats/nq.md"),
)

CONFORM = Page(
    groups={
        "What decodes": ("--backend", "--decoder", "--strict", "--timeout", "--threads"),
        "Vectors": ("--vectors", "--only", "--list"),
        "Results": ("--save", "--json", "--verbose"),
    },
    examples=(
        ("nqtool conform", "Every vector on every backend of this machine."),
        ("nqtool conform --decoder 'nqdec {in} -o {out} -q' --only 'context-*'", "Any decoder, some vectors."),
    ),
    see_also=("formats/conformance/README.md", "formats/nq.md"),
)

ANALYSE = Page(
    groups={
        "Files": ("--fit", "--output"),
        "What to look at": ("--parts", "--segment"),
        "Sensitivity": ("--method", "--bits"),
        "Hessian": ("--width", "--groups"),
        "Surface": ("--grid", "--reach", "--seed"),
        "The clip": ("--input-res", "--input-csp", "--input-depth", "--seek", "--probes"),
        "Machine": ("--threads",),
    },
    examples=(
        ("nqtool analyse clip.nq clip.mkv", "Histograms, bits, PSNR by frame and where the errors are."),
        (
            "nqtool analyse --fit clip.safetensors clip.mkv --parts sensitivity,hessian",
            "Of a fit that nqenc --save-fit kept.",
        ),
    ),
    environment=(THREADS,),
    see_also=("nqtool plot --help", "nqtool sensitivity --help", "docs/rate.md"),
)

PLOT = Page(
    groups={"Files": ("--output",)},
    examples=(
        ("nqtool plot clip.analysis", "All that nqtool analyse saved."),
        ("nqtool plot report.html -o plots", "The fit curve of an encode and its bytes and frames."),
    ),
    see_also=("nqtool analyse --help", "nqenc --help"),
)

COMPARE = Page(
    groups={
        "Files": ("--output", "--from"),
        "nqcodec": ("--bpp", "--config", "--preset", "--steps", "--one-fit", "--segment"),
        "The other codecs": ("--anchors", "--crf", "--gop"),
        "The clip": CLIP_FORMAT,
        "Machine": ("--device", "--threads", "--jobs", "--seed"),
    },
    examples=(
        ("nqtool compare clip.mkv --bpp 0.02,0.05,0.1 --preset medium -o clip.compare", "The usual comparison."),
        (
            "nqtool compare clip.mkv --preset fast,slow --anchors x264,x265:veryslow:psnr,svt-av1:4",
            "Two presets of ours; x265 tuned for PSNR, SVT-AV1 at preset 4.",
        ),
        ("nqtool compare --from clip.compare/results.json", "Draw it again; nothing is encoded."),
    ),
    environment=(BACKEND, CPU, THREADS),
    see_also=(f"{GUIDE}: comparing", "BENCHMARKS.md"),
)

COMPLETION = Page(
    examples=(
        ("nqtool completion bash > ~/.nqcodec.bash", "bash; the line for ~/.bashrc: source ~/.nqcodec.bash."),
        ("nqtool completion zsh > ~/.nqcodec.zsh", "zsh; for ~/.zshrc, after compinit: source ~/.nqcodec.zsh."),
        ("nqtool completion fish > ~/.config/fish/conf.d/nqcodec.fish", "fish, which reads that folder by itself."),
    ),
    environment=(
        (
            "_NQENC_COMPLETE, _NQDEC_COMPLETE, _NQTOOL_COMPLETE",
            "set by what is printed here, to ask a command what completes",
        ),
    ),
    see_also=(f"{GUIDE}: completion and manual pages",),
)

SENSITIVITY = Page(
    groups={
        "Files": ("--fit", "--plot"),
        "What to measure": ("--method", "--bits", "--quantizer", "--per", "--search", "--probes"),
        "The clip": ("--input-res", "--input-csp", "--input-depth", "--seek"),
        "Machine": ("--threads",),
    },
    examples=(
        (
            "nqenc clip.y4m --arch hnerv --bpp 0.1 --save-fit fit.safetensors -o clip.nq",
            "First, a float network to look at.",
        ),
        ("nqtool sensitivity clip.y4m --fit fit.safetensors --method omega --bits 3:6", "Then its table."),
    ),
    environment=(THREADS,),
    see_also=("docs/rate.md",),
)
