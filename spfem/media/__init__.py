"""Every media file that the package reads or writes: one reader, one writer, one clock.

`probe.probe_video` finds once what a file is: upright size, frame rate from its stamps, when its
first frame is shown, colour, sound tracks. `video` and `audio` read by these facts and write.
"""
