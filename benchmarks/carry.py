"""`python -m benchmarks.carry RUN`: what a GPU node needs of a run, in one small folder.

Faces to learn from, and one trained renderer with conditions of a clip of its actor, to see what
bfloat16 changes in pictures; trained metrics come with the package.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.faces import FACES, MOST_MEGABYTES, load_faces, save_faces
from benchmarks.formats import CONDITIONS, FRAMES
from spfem.renderer.networks import CHECKPOINT_KIND

CARRIED = Path("data/cache/gpu")
RENDERERS = "renderer/ned/seed0/*/renderer.safetensors"


def carry(run: Path, folder: Path, most_megabytes: float) -> list[str]:
    """Fill `folder` from `run`, which is left unchanged; a line about each file.

    Weights that the run does not hold yet are left out and said.
    """
    from studies.shipped_models import pack_half  # not where a GPU node runs

    folder.mkdir(parents=True, exist_ok=True)
    error = save_faces(run, folder / FACES, most_megabytes)
    faces = load_faces(folder / FACES)
    count = sum(map(len, faces.train.faces.values()))
    told = [
        f"{FACES}: {count} faces, {len(faces.train.pairs)} pairs to learn from, "
        f"{len(faces.held_out.pairs)} held out, mean error of a pixel {error:.2f} grey levels"
    ]
    renderers = sorted(run.glob(RENDERERS))
    if renderers:
        pack_half(renderers[0], folder / renderers[0].name, kind=CHECKPOINT_KIND)
        actor = renderers[0].parent.name
        np.savez_compressed(folder / CONDITIONS, conditions=draw_conditions(run, actor))
        told.append(f"{renderers[0].name}, {CONDITIONS}: of {actor}")
    else:
        told.append(f"no {RENDERERS} in {run}")
    return told


def draw_conditions(run: Path, actor: str) -> np.ndarray:
    """Conditions (T, S, S, C) uint8 of the first frames of an actor's first clip, as in the run."""
    from spfem.edit.chain import ConditionSource
    from spfem.face.conditions import ConditionPainter
    from spfem.face.track import FaceTrack
    from spfem.head import load_head_model
    from spfem.renderer.networks import load_renderer

    path = next(iter(sorted((run / "faces" / actor / "neutral").rglob("*.npz"))))
    track = FaceTrack.load(path)
    trained = next(iter(sorted(run.glob(RENDERERS.replace("*", actor, 1)))))
    settings = load_renderer(trained).settings
    painter = ConditionPainter(load_head_model(), settings.image_size)
    return ConditionSource(painter, track).conditions()[:FRAMES]


def main() -> None:
    """Fill the folder and say what it holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.carry", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run, such as data/synthetic-demo")
    parser.add_argument("--out", type=Path, default=CARRIED, help=f"default: {CARRIED}")
    parser.add_argument(
        "--most-megabytes",
        type=float,
        default=MOST_MEGABYTES,
        help=f"of the faces; default: {MOST_MEGABYTES}",
    )
    given = parser.parse_args()
    for line in carry(given.run, given.out, given.most_megabytes):
        print(line)
    size = sum(path.stat().st_size for path in given.out.iterdir())
    print(f"{given.out}: {size / 1e6:.1f} MB in all")


if __name__ == "__main__":
    main()
