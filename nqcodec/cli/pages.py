"""What the commands' manuals say beyond their options: groups, first screens, examples, pointers."""

from __future__ import annotations

from nqcodec.cli.help import BACKEND, CPU, HelpPage

GUIDE = "docs/guide.md"
CLIP_FORMAT = ("--input-res", "--fps", "--input-csp", "--input-depth", "--seek", "--frames")
THREADS = (
    "CUDA_VISIBLE_DEVICES",
    "which GPUs --device cuda may use (of CUDA, not of nqcodec)",
)

NQTOOL = HelpPage(
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

FRONT = HelpPage(
    examples=(
        ("python -m nqcodec encode clip.y4m --bpp 0.1 -o clip.nq", "As nqenc clip.y4m --bpp 0.1 -o clip.nq."),
        ("python -m nqcodec decode clip.nq -o clip.y4m", "As nqdec clip.nq -o clip.y4m."),
        ("python -m nqcodec tool info clip.nq", "As nqtool info clip.nq."),
    ),
    see_also=("python -m nqcodec encode --help", "python -m nqcodec decode --help", GUIDE),
)

INFO = HelpPage(
    examples=(("nqtool info a.nq b.nq", "One description after another; nqdec --info is the same for one file."),),
    see_also=("nqdec --help", "formats/nq.md"),
)

CONFORM = HelpPage(
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

ANALYSE = HelpPage(
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

PLOT = HelpPage(
    groups={"Files": ("--output",)},
    examples=(
        ("nqtool plot clip.analysis", "All that nqtool analyse saved."),
        ("nqtool plot report.html -o plots", "The fit curve of an encode and its bytes and frames."),
    ),
    see_also=("nqtool analyse --help", "nqenc --help"),
)

COMPARE = HelpPage(
    groups={
        "Files": ("--output", "--from"),
        "nqcodec": ("--bpp", "--config", "--preset", "--iterations", "--one-fit", "--segment"),
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

COMPLETION = HelpPage(
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

SENSITIVITY = HelpPage(
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
