"""The exact truth of a clip, frame by frame, as named arrays."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from spfem.artifacts import writing
from spfem.corpus.synthetic.motion import Motion
from spfem.corpus.synthetic.person import Person, rotation_matrices
from spfem.corpus.synthetic.speech import Speech
from spfem.head.model import SKIN, HeadModel


def content_digest(array: np.ndarray) -> str:
    """Hexadecimal SHA-256 of the values of an array of any shape: frames or sound, not encoded."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def inner_lip_vertices(head: HeadModel) -> tuple[int, int]:
    """Vertices in the middle of the upper and the lower lip where they meet.

    Found as the neighbours on the midline that the jaw parts most.
    """
    skin = np.unique(head.triangles[head.region == SKIN])
    x, y, z = head.mean[skin].T
    middle = skin[(np.abs(x) < 0.004) & (z < -0.4) & (y > 0.10) & (y < 0.24)]
    middle = middle[np.argsort(head.mean[middle, 1])]
    drop = np.diff(head.expression_basis[0, middle, 1])
    upper = int(drop.argmax())
    return int(middle[upper]), int(middle[upper + 1])


def face_truth(person: Person, motion: Motion, frame_size: int) -> dict[str, np.ndarray]:
    """What the face does and where it lies.

    Returns:
        `face_units` (T, 52) with `face_unit_names`, `identity` (I,), `rotation` (T, 3) axis-angle,
        `translation` (T, 2) and `scale` (T,) of the camera in pixels, `landmarks_3d` (T, 478, 3)
        in head units before rotation, `landmarks_2d` (T, 478, 2) in pixels, `mouth_opening` (T,)
        between the inner lips in head units.
    """
    head = person.head
    vertices = head.vertices(person.actor.identity, motion.face_units)
    landmarks = head.landmarks(vertices).astype(np.float32)
    scale, translation = person.camera(frame_size, motion.scale, motion.translation)
    turned = np.einsum("tij,tlj->tli", rotation_matrices(motion.rotation), landmarks)
    upper, lower = inner_lip_vertices(head)
    opening = np.linalg.norm(vertices[:, lower] - vertices[:, upper], axis=-1)
    values = {
        "face_units": motion.face_units,
        "identity": person.actor.identity,
        "rotation": motion.rotation,
        "translation": translation,
        "scale": scale,
        "landmarks_3d": landmarks,
        "landmarks_2d": turned[..., :2] * scale[:, None, None] + translation[:, None],
        "mouth_opening": opening,
    }
    arrays = {name: value.astype(np.float32) for name, value in values.items()}
    arrays["face_unit_names"] = np.array(motion.face_unit_names)
    return arrays


def speech_truth(speech: Speech, motion: Motion) -> dict[str, np.ndarray]:
    """What is said when.

    Returns:
        `phoneme_names`, `phoneme_start_seconds`, `phoneme_end_seconds` (K,), `viseme_weights`
        (T, 15) with `viseme_names`, `viseme` (T,) the dominant one, `frame_of_reference` (T,)
        the position on the sentence's own phoneme clock: equal values are the same spoken moment
        in two recordings.
    """
    return {
        "phoneme_names": np.array([phoneme.name for phoneme in speech.phonemes]),
        "phoneme_start_seconds": np.array([phoneme.start_seconds for phoneme in speech.phonemes]),
        "phoneme_end_seconds": np.array([phoneme.end_seconds for phoneme in speech.phonemes]),
        "viseme_weights": motion.viseme_weights,
        "viseme_names": np.array(motion.viseme_names),
        "viseme": motion.viseme,
        "frame_of_reference": motion.clock,
        "emotion_envelope": motion.emotion_envelope,
    }


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays as npz, whole or not at all."""
    with writing(path) as aside:
        np.savez(aside, **arrays)  # type: ignore[arg-type]
