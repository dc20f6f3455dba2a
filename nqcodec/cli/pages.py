"""What the commands' manuals say beyond their options: groups, first screens, examples, pointers."""

from __future__ import annotations

from nqcodec.cli.help import HelpPage

GUIDE = "docs/guide.md"
THREADS = (
    "CUDA_VISIBLE_DEVICES",
    "which GPUs --device cuda may use (of CUDA, not of nqcodec)",
)

NQTOOL = HelpPage(
    examples=(
        ("nqtool info clip.nq --json", "Header, network and bytes by part, as data."),
        (
            "nqtool cut clip.nq 0:64 -o part.nq",
            "A part of a file; nqtool join is the reverse.",
        ),
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

CUT = HelpPage(
    groups={"Files": ("--output", "--overwrite", "--no-overwrite")},
    examples=(
        ("nqtool cut clip.nq 64:128 -o part.nq", "Frames 64 to 127, where segments begin at both."),
        ("nqtool cut clip.nq 0s:30s -o begin.nq", "The first half minute."),
        ("nqtool cut broken.nq 0:96 -o whole.nq", "What stands before the damage of a file that was cut off."),
    ),
    see_also=("nqtool join --help", "nqtool info --help", GUIDE),
)

JOIN = HelpPage(
    groups={"Files": ("--output", "--overwrite", "--no-overwrite"), "The file": ("--clips",)},
    examples=(
        ("nqtool join a.nq b.nq -o all.nq", "The frames of a.nq, then those of b.nq."),
        ("nqtool join --clips monday.nq tuesday.nq -o week.nq", "The same, as clips named monday and tuesday."),
    ),
    see_also=("nqtool cut --help", "nqtool info --help", GUIDE),
)

PLOT = HelpPage(
    groups={"Files": ("--output",)},
    examples=(
        ("nqtool plot clip.analysis", "All that nqtool analyse saved."),
        ("nqtool plot report.html -o plots", "The fit curve of an encode and its bytes and frames."),
    ),
    see_also=("nqtool analyse --help", "nqenc --help"),
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
