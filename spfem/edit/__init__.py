"""Edit a video of any length: same person, same words, another emotion.

`edit_video` reads the file a few times and never holds more than a few frames: it follows the face
(`tracking`), chooses and gathers what other frames show (`moving`), then draws and encodes frame
by frame. With NED's renderer (`neural`) it adapts to a sample of frames first (`sample`, `adapt`).
"""

from spfem.edit.video import EditRequest, edit_video

__all__ = ["EditRequest", "edit_video"]
