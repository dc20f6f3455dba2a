"""Walsh-Hadamard transforms without padding: the integer definition, libnq's and libnq_cuda's, and their speed."""
