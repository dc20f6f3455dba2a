"""Entropy coding: integer models and the arithmetic coder (formats/nq.md, 3). `tensors` is what other rooms use."""
