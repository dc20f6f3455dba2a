"""Writes the vectors of formats/conformance, their descriptors and the table of its README: `make vectors`."""

from __future__ import annotations

from conformance_vectors import library, table
from nqcodec.decoder.conformance import FOLDER


def main() -> None:
    made = library.descriptors()
    library.write(FOLDER, made)
    readme = FOLDER / "README.md"
    readme.write_text(table.readme(readme, made), encoding="utf-8")
    print(f"{len(made)} vectors in {FOLDER}")


if __name__ == "__main__":
    main()
