"""Benchmarks of `nqtool bench` that measure the product from outside; nothing else imports them."""
