"""The commands of `nqtool bench`: options, text and exit codes of what `nqcodec.benchmarks` measures."""
