"""What bfloat16 and TF32 change: losses, pictures, learned similarity; with trained weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from studies.moment_similarity import list_comparisons, score_similarity

from benchmarks.faces import CarriedFaces
from benchmarks.limits import rounded_products
from benchmarks.made_up import made_up_face_clip
from benchmarks.record import Record
from spfem.correlation.asccl import SpatialCoherence
from spfem.correlation.frames import FramePairs
from spfem.correlation.images import images_from_frames
from spfem.renderer.networks import CHECKPOINT_KIND, copy_renderer, load_renderer
from spfem.renderer.render import render_clips

LOSS, SIMILARITY, GREY = 0.02, 0.01, 2.0  # limits: relative, of a cosine, mean grey levels
UNTRAINED = 100.0  # factor on them in a rehearsal, whose weights amplify rounding
BATCH, COMPARISONS = 8, 24
FRAMES = 16
CONDITIONS = "conditions.npz"  # of a real clip: `conditions` (T, S, S, C)


def trained_files(folders: list[Path]) -> dict[str, list[Path]]:
    """Checkpoints below folders by kind; a folder that is missing holds none."""
    found: dict[str, list[Path]] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*.safetensors")):
        with safe_open(str(path), framework="pt") as file:
            kind = (file.metadata() or {}).get("kind", "")
        found.setdefault(kind, []).append(path)
    return found


def format_checks(
    record: Record, device: str, folders: list[Path], faces: CarriedFaces | None, carried: Path
) -> None:
    """Deviations from float32 of every trained spatial metric and renderer that is there."""
    files = trained_files(folders)
    metrics = files.get(SpatialCoherence.kind, [])
    renderers = files.get(CHECKPOINT_KIND, [])
    if not metrics or faces is None:
        why = "no trained weights" if not metrics else "no carried faces"
        record.leave_out("bfloat16 and TF32, trained metric", why)
    else:
        for path in metrics:
            _check_metric(record, device, path, faces)
    if not renderers:
        record.leave_out("bfloat16 and TF32, pictures", "no trained weights")
    for path in renderers:
        _check_pictures(record, device, path, carried)


@contextmanager
def _format(name: str) -> Iterator[str]:
    """Gives the precision of settings for a format, with TF32 allowed for that name only."""
    with rounded_products(name == "TF32"):
        yield "bfloat16" if name == "bfloat16" else "float32"


def _leniency(record: Record) -> float:
    return 1.0 if record.judged else UNTRAINED


def _check_metric(record: Record, device: str, path: Path, faces: CarriedFaces) -> None:
    frames = faces.held_out
    some = FramePairs(frames.faces, frames.pairs[:4])
    listed = list_comparisons(some, faces.visemes, COMPARISONS, seed=0)
    drawn = some.draw(BATCH, np.random.default_rng(0))
    learned = SpatialCoherence.load(path)
    losses, similarities = {}, {}
    for name in ("float32", "TF32", "bfloat16"):
        with _format(name) as precision, torch.no_grad():
            metric = SpatialCoherence(replace(learned.settings, precision=precision))
            metric.load_state_dict(learned.state_dict())
            metric.to(device).supervise()
            query, key = (images_from_frames(side, device) for side in drawn)
            levels = metric.compare(query, key, generator=torch.Generator().manual_seed(0))
            losses[name] = float(metric.total(levels))
            scores = score_similarity(metric, some, listed)
            parts = (scores.matched, scores.mismatched_place, scores.mismatched_speech)
            similarities[name] = np.stack(parts)
    note, factor = f"{path.parent.name}/{path.name}, against float32", _leniency(record)
    for name in ("TF32", "bfloat16"):
        apart = abs(losses[name] / losses["float32"] - 1)
        record.check(f"{name}, loss of a trained ASCCL", apart, factor * LOSS, note)
        apart = np.abs(similarities[name] - similarities["float32"]).max()
        record.check(f"{name}, similarity of a trained ASCCL", apart, factor * SIMILARITY, note)


def _check_pictures(record: Record, device: str, path: Path, carried: Path) -> None:
    trained = load_renderer(path)
    settings = trained.settings
    stored = carried / CONDITIONS
    wanted = (settings.image_size, settings.image_size, settings.condition_channels)
    what = "recorded conditions"
    if stored.exists():
        with np.load(stored) as arrays:
            conditions = arrays["conditions"][:FRAMES]
    if not stored.exists() or conditions.shape[1:] != wanted:
        conditions, what = made_up_face_clip(FRAMES, settings).conditions, "made-up conditions"
    pictures = {}
    for name in ("float32", "TF32", "bfloat16"):
        with _format(name) as precision:
            generator = copy_renderer(trained, replace(settings, precision=precision)).generator
            made = render_clips(generator, [conditions], device=device)[0]
        pictures[name] = made.astype(int)
    inside = conditions[..., -1] > 0
    note = f"{path.parent.name}/{path.name}, {what}, mean over the face"
    limit = GREY * _leniency(record)
    for name in ("TF32", "bfloat16"):
        apart = np.abs(pictures[name] - pictures["float32"])[inside].mean()
        record.check(f"{name}, pictures of a trained renderer, grey levels", apart, limit, note)
