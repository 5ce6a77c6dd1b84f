"""Move the pixels of a clip: donors chosen and gathered, then frame after frame redrawn."""
