"""`python -m benchmarks.moved_record RUN`: a scene of the renderer that moves pixels, recorded.

Two frames of a neutral clip of a run are redrawn with the expression of another clip of the same
actor; what the renderer is given and what is rasterised for it goes into one file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.moved_scene import (
    CHOICE_PARTS,
    DEFAULT,
    DONOR_PARTS,
    MESH_PARTS,
    RASTER_PARTS,
    SURFACE_PARTS,
    MovedScene,
)
from spfem.errors import InputError
from spfem.renderer.warp import look_up_spline, pixel_centres

FRAMES = (10, 12)  # of the clip, drawn together
MOST_BYTES = 10_000_000


def record_scene(run: Path) -> MovedScene:
    """Redraw frames of the first actor that has two clips of one sentence.

    Raises:
        InputError: if the run has none.
    """
    from spfem.corpus.clips import read_list
    from spfem.edit.move import ClipMover
    from spfem.face.track import FaceTrack
    from spfem.media.video import read_video
    from spfem.run.faces import track_path

    corpus = read_list(run / "corpus" / "corpus.json")
    for clip in corpus.clips:
        others = [
            other
            for other in corpus.clips
            if (other.actor, other.sentence) == (clip.actor, clip.sentence) and other != clip
        ]
        if clip.emotion == "neutral" and others:
            break
    else:
        raise InputError(f"{run} has no actor with a sentence in two emotions; use another run")
    track, shown = (FaceTrack.load(track_path(run / "faces", c.key)) for c in (clip, others[0]))
    frames = read_video(clip.video).frames
    rows = np.minimum(np.arange(len(track)), len(shown) - 1)
    mover = ClipMover(track, shown.expression[rows], fps=float(corpus.fps))
    mover.gather(frames)
    rasters: list[Any] = []
    rasterise, given = mover.renderer.rasterise, list[tuple[Any, ...]]()

    def recorded(*arguments: Any) -> Any:
        rasters.append(rasterise(*arguments))
        return rasters[-1]

    mover.renderer.rasterise = recorded
    mover.renderer.register_forward_pre_hook(lambda module, arguments: given.append(arguments))
    index = np.arange(*FRAMES)
    mover._draw(index, [frames[number] for number in index])
    return _scene(mover.renderer, given[0], rasters)


def _scene(renderer: Any, arguments: tuple[Any, ...], rasters: list[Any]) -> MovedScene:
    pictures, source, edited, unit, boxes, donors, surface = arguments
    tensors: dict[str, Tensor] = {"pictures": pictures, "source": source, "edited": edited}
    tensors |= {name: getattr(renderer, name) for name in MESH_PARTS}
    tensors |= {f"surface_{part}": getattr(surface, part) for part in SURFACE_PARTS}
    for layer, (kept, choice) in donors.items():
        if layer not in [box.layer for box in boxes]:
            continue
        used, places = torch.unique(choice.index, return_inverse=True)
        for part in DONOR_PARTS:
            value = _crops(kept) if part == "pictures" else getattr(kept, part)
            tensors[f"donor_{layer}_{part}"] = value if part == "palette" else value[used]
        for part in CHOICE_PARTS:
            tensors[f"choice_{layer}_{part}"] = places if part == "index" else getattr(choice, part)
    for number, raster in enumerate(rasters):
        for part in RASTER_PARTS:
            tensors[f"raster_{number}_{part}"] = getattr(raster, part)
    plain = {name: value.detach().clone().cpu() for name, value in tensors.items()}
    shown = tuple((box.layer, box.corners, box.height, box.width) for box in boxes)
    return MovedScene(plain, float(unit), shown)


def _crops(donors: Any) -> Tensor:
    """Pictures (K, 3, h, w) of donors, which keep spline coefficients: values at pixel centres."""
    height, width = donors.shown.shape[-2:]
    centres = pixel_centres((height, width), donors.shown)
    return look_up_spline(donors.splines, centres.expand(len(donors.splines), -1, -1, -1))


def main() -> None:
    """Record, and say how large it became."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moved_record", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run, such as data/synthetic-demo")
    parser.add_argument("--out", type=Path, default=DEFAULT, help=f"default: {DEFAULT}")
    given = parser.parse_args()
    scene = record_scene(given.run)
    scene.save(given.out)
    size = given.out.stat().st_size
    if size > MOST_BYTES:
        raise InputError(f"{given.out} has {size} bytes, more than {MOST_BYTES}; record less")
    shape = tuple(scene.tensors["pictures"].shape)
    print(f"{given.out}: {size / 1e6:.1f} MB, windows {shape}, {scene.raster_count} rasters")


if __name__ == "__main__":
    main()
