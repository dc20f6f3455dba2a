"""Quantisation after the fit: allocation of bits, fine-tuning with rounding in the loop, learned rounding."""
