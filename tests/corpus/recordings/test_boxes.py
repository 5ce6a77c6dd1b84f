"""Truncated mp4 files are told from whole ones wherever they are cut."""

import av
import numpy as np
import pytest

from spfem.corpus.folder import why_cut_off


@pytest.fixture(params=["index last", "index first"])
def whole(request, tmp_path):
    """An mp4 file as cameras write it, or made for the web."""
    path = tmp_path / "whole.mp4"
    options = {"movflags": "faststart"} if request.param == "index first" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        for _ in range(5):
            image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    return path


def test_whole_file(whole):
    assert why_cut_off(whole) == ""


def test_cut_anywhere(whole, tmp_path):
    content = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    for length in range(40, len(content), 97):
        cut.write_bytes(content[:length])
        assert why_cut_off(cut), length


def test_reserved_but_never_filled(whole, tmp_path):
    content, cut = whole.read_bytes(), tmp_path / "cut.mp4"
    if content.index(b"moov") > content.index(b"mdat"):
        cut.write_bytes(content[: content.index(b"moov") - 4].ljust(len(content), b"\0"))
        assert "moov" in why_cut_off(cut)


def test_other_formats_are_left_to_the_decoder(tmp_path):
    path = tmp_path / "really.mp4"
    path.write_bytes(b"RIFF\x10\0\0\0AVI LIST" + b"x" * 64)
    assert why_cut_off(path) == ""
