"""formats/hexdump.md, whose dump is what `nqtool info --hex` makes of a file; as a script, it writes the page again."""

from __future__ import annotations

from pathlib import Path

from nqcodec.cli.nqtool import hex_lines

ROOT = Path(__file__).resolve().parents[2]
FILE = "samples/bbb_32x18.nq"
PAGE = ROOT / "formats" / "hexdump.md"
FENCE = "```"


def page(text: str) -> str:
    """The page's text with its dump made anew."""
    head = text.partition(f"{FENCE}text\n")[0]
    return head + f"{FENCE}text\n" + "\n".join(hex_lines(str(ROOT / FILE))) + f"\n{FENCE}\n"


def main() -> None:
    """Write the page again."""
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
