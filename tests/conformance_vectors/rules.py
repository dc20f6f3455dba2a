"""The rules of the specification."""

from __future__ import annotations


def sections_of(features):
    return []
