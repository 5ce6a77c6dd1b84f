"""Pairing: audio alignment of the same sentence in two emotions."""
