"""Edit a video of any length: same person, same words, another emotion.

`edit_video` reads the file a few times and never holds more than a few frames: the face is
followed, other frames are searched for what an opening mouth shows (`donors`, `surface`), then
it draws and encodes frame by frame (`move`; with NED's renderer `neural`).
"""

from spfem.edit.video import EditModels, EditRequest, EditResult, edit_video

__all__ = ["EditModels", "EditRequest", "EditResult", "edit_video"]
