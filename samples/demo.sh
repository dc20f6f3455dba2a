#!/usr/bin/env bash
# Encode the sample at a target rate, decode it with two backends, compare and verify. Called by `make demo`.
set -euo pipefail
out=${1:-.demo}
clip=samples/bbb_320x180.mkv
mkdir -p "$out"
echo "== nqenc: $clip at 0.1 bpp"
nqenc "$clip" --bpp 0.1 --preset "${PRESET:-fast}" -o "$out/demo.nq"
echo
echo "== nqdec --info"
nqdec "$out/demo.nq" --info
echo
echo "== nqdec, C library and numpy reference: the MD5s must be equal"
backends=(reference)
nqdec "$out/demo.nq" --backend reference --md5 -o "$out/reference.y4m" | tee "$out/reference.md5"
if nqdec "$out/demo.nq" --backend native --md5 -o "$out/native.y4m" | tee "$out/native.md5"; then
  cmp "$out/reference.y4m" "$out/native.y4m"
  backends+=(native)
else
  echo "(the C library was not built on this machine)"
fi
nqdec "$out/demo.nq" --verify "$out/reference.md5" -q
echo "verified: ${backends[*]} decode $out/demo.nq to the same samples"
echo
echo "== one frame alone, as a picture: $out/frame/00000.png"
nqdec "$out/demo.nq" --frames 16 -o "$out/frame/%05d.png"
