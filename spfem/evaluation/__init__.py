"""How good edits are: distances to real faces, identity, lips, emotion; protocol and tables."""
