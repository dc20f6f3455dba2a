"""Benchmarks of decoding against torch and against the machine's own peak (`nqtool bench decode`, `bench kernels`)."""
