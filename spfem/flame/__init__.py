"""FLAME and DECA: the released face model and encoder, with the user's own files.

    deca = load_deca(folder)                                     # `load`: six files of the user
    codes = encode_faces(deca.networks, frames, landmarks)       # `route`: frames to codes
    expression = to_expression(codes)                            # `codes`: (T, 51)
    pictures = draw_conditions(deca, codes, another_expression)  # `route`: NMFC and shape images

Source: spec `face_pipeline.md`. Which files, where from, and what is wrong with them: `assets`.
"""

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
