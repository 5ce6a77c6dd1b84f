"""Are the shipped models whole: files, hashes and cards, each against the others."""

from __future__ import annotations

from pathlib import Path

import torch

from spfem.checkpoints import load_checkpoint
from spfem.errors import CheckpointError
from spfem.pretrained import PRETRAINED, WEIGHTS_FOLDER, check_hash, hash_file, shipped_path
from spfem.weights.card import card_file, page_file, read_card, render_card

LARGEST_BYTES = 12_000_000  # of all models together
ALLOWED = {".safetensors", ".sha256", ".json", ".md"}


def check_weights(folder: Path | None = None) -> dict[str, str]:
    """What is wrong with each model of `PRETRAINED`, by its name; empty where all is well.

    Surplus files are listed under their own names.

    Args:
        folder: of the models; None for the package's.
    """
    folder = folder or WEIGHTS_FOLDER
    found = {}
    expected = set()
    for kind, variants in PRETRAINED.items():
        for variant, name in variants.items():
            path = shipped_path(name, folder)
            expected |= {path, hash_file(path), card_file(path), page_file(path)}
            try:
                _check_model(path, kind, variant)
                found[name] = ""
            except CheckpointError as error:
                found[name] = str(error)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in ALLOWED and path not in expected:
            found[path.name] = f"{path} belongs to no model that spfem ships"
    total = sum(path.stat().st_size for path in expected if path.is_file())
    if total > LARGEST_BYTES:
        found["all models"] = f"{total:,} bytes together are more than {LARGEST_BYTES:,}"
    return found


def _check_model(path: Path, kind: str, variant: str) -> None:
    found = check_hash(path)
    card = read_card(path)
    tensors, facts = load_checkpoint(path, kind=kind)
    wanted = {
        "name": path.stem,
        "kind": kind,
        "variant": variant,
        "sha256": found,
        "bytes": path.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "settings": facts["settings"],
    }
    other = [key for key, value in wanted.items() if card[key] != value]
    if other:
        raise CheckpointError(f"{card_file(path)} is not the card of this file: {', '.join(other)}")
    whole = [
        name
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and tensor.dtype != torch.float16
    ]
    if whole:
        raise CheckpointError(f"{path} is not in half precision: {', '.join(sorted(whole))}")
    page = page_file(path)
    if not page.is_file() or page.read_text(encoding="utf-8") != render_card(card):
        raise CheckpointError(f"{page} is not what {card_file(path).name} says; make it anew")
