"""Whom to edit and how the face moves: pass 1 of an edit, one frame in memory at a time."""
