"""FLAME and DECA: the released face model and encoder, with the user's own files.

    deca = load_deca(folder)                                     # `load`: six files of the user
    codes = encode_faces(deca.networks, frames, landmarks)       # `route`: frames to codes
    expression = to_expression(codes)                            # `codes`: (T, 51)
    pictures = draw_conditions(deca, codes, another_expression)  # `route`: NMFC and shape images

Names are found when they are asked for, so that the networks alone load PyTorch only.

Source: spec `face_pipeline.md`. Which files, where from, and what is wrong with them: `assets`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spfem.flame.codes import to_expression, with_expression
    from spfem.flame.load import Deca, load_deca
    from spfem.flame.route import draw_conditions, encode_faces

__all__ = [
    "Deca",
    "draw_conditions",
    "encode_faces",
    "load_deca",
    "to_expression",
    "with_expression",
]

_MODULES = {
    "Deca": "load",
    "draw_conditions": "route",
    "encode_faces": "route",
    "load_deca": "load",
    "to_expression": "codes",
    "with_expression": "codes",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
