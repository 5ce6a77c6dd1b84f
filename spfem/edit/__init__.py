"""Edit a video of any length: same person, same words, another emotion.

`edit_video` reads the file three times and never holds more than a few hundred frames: it follows
the face (`tracking`), adapts the renderer to a sample of frames (`sample`, `adapt`), and renders,
blends and encodes frame by frame (`pictures`).
"""

from spfem.edit.request import EditRequest, EditResult
from spfem.edit.video import edit_video

__all__ = ["EditRequest", "EditResult", "edit_video"]
