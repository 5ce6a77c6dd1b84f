"""SCMCL: faces should be as far apart as the voices that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor

from spfem.checkpoints import load_checkpoint, load_weights, save_checkpoint, settings_from_facts
from spfem.correlation.crossmodal.encoders import (
    AudioEncoder,
    Encoder,
    ExpressionEncoder,
    ImageEncoder,
)
from spfem.correlation.crossmodal.fusion import CrossAttentionFusion, fuse_frames
from spfem.correlation.crossmodal.losses import ScaleLayer, paired_distances
from spfem.correlation.metric import CoherenceMetric, refuse_swapped
from spfem.correlation.preprocess import prepare_images
from spfem.errors import SettingsError, ShapeError
from spfem.late_checks import check_numbers
from spfem.settings import CrossModalSettings

Visual = Literal["expression", "image"]


class CrossModalCoherence(CoherenceMetric):
    """The cross-modal metric: an audio and a visual encoder with comparable distances.

    As supervision: `loss = CrossModalCoherence.load(path)(generated, source, audio_distance)`.
    Source: SCMCL. Departs from the released code: images are embedded by two frames, as in
    learning, also in supervision; the metric stays in evaluation mode there.

    Args:
        settings: sizes and constants.
        visual: what the visual side sees, "expression" vectors or face "image"s.

    Raises:
        SettingsError: for another `visual`.
    """

    kind = "cross-modal coherence"
    settings: CrossModalSettings

    def __init__(self, settings: CrossModalSettings, visual: Visual = "expression") -> None:
        super().__init__(settings)
        self.visual = visual
        # Attribute names are those of the released checkpoints.
        self.audio_encoder = AudioEncoder(settings)
        self.audio_attn = CrossAttentionFusion(settings, self.audio_encoder.feature_channels)
        if visual == "expression":
            self.expr_encoder = ExpressionEncoder(settings)
            self.expr_attn = CrossAttentionFusion(settings, self.expr_encoder.feature_channels)
        elif visual == "image":
            self.image_encoder = ImageEncoder(settings)
            self.image_attn = CrossAttentionFusion(settings, self.image_encoder.feature_channels)
        else:
            raise SettingsError(f"visual must be 'expression' or 'image', found {visual!r}")
        self.scale_layer = ScaleLayer()

    @property
    def visual_encoder(self) -> Encoder:
        """The expression or image encoder."""
        return self.expr_encoder if self.visual == "expression" else self.image_encoder

    @property
    def visual_attention(self) -> CrossAttentionFusion:
        """The attention that fuses its frames."""
        return self.expr_attn if self.visual == "expression" else self.image_attn

    def forward(self, generated: Tensor, source: Tensor, audio_distance: Tensor) -> Tensor:
        """Mean absolute difference of calibrated visual and audio distances.

        Args:
            generated: (B, T, E) or (B, T, 3, H, W) RGB in [-1, 1]; receives the gradient.
            source: like `generated`; without gradient.
            audio_distance: (B,) distance between the sound of the source and of its pair.

        Returns:
            Scalar.

        Raises:
            ShapeError: for wrong shapes, types or ranges, NaN, or swapped arguments.
        """
        visual = self.distance(generated, source)
        if audio_distance.shape != visual.shape or not torch.isfinite(audio_distance).all():
            raise ShapeError(
                f"audio_distance must be {tuple(visual.shape)} and finite, found "
                f"{tuple(audio_distance.shape)}; leave out windows without a pair"
            )
        return (visual - audio_distance).abs().mean()

    def distance(self, generated: Tensor, source: Tensor) -> Tensor:
        """Visual distances (B,) in the units of audio distances; arguments as in `forward`.

        Raises:
            ShapeError: for wrong shapes, types or ranges, NaN, or swapped arguments.
        """
        refuse_swapped(generated, source)
        if generated.shape[:1] != source.shape[:1]:
            raise ShapeError(
                f"generated and source must hold the same number of windows, found "
                f"{tuple(generated.shape)} and {tuple(source.shape)}"
            )
        embedding = self.embed_visual(generated, name="generated")
        with torch.no_grad():
            reference = self.embed_visual(source, name="source")
        return self.embedding_distance(embedding, reference)

    def embedding_distance(self, u: Tensor, v: Tensor) -> Tensor:
        """Calibrated distances (B,) between visual embeddings u and v (B, D)."""
        return self.scale_layer(paired_distances(u, v))

    def embed_audio(self, slices: Tensor, *, name: str = "slices") -> Tensor:
        """Embed the sound of the last frames of windows.

        Args:
            slices: (B, T, A) mono samples in [-1, 1], one row a frame of video, oldest first; T
                at least `settings.frames`, the last ones are used.
            name: what to call the argument in errors.

        Returns:
            (B, D) in (-1, 1).

        Raises:
            ShapeError: for another shape or type, or values that are not finite.
        """
        frames = self._last_frames(slices, 3, name)
        return fuse_frames(self.audio_encoder, self.audio_attn, frames)

    def embed_visual(self, frames: Tensor, *, name: str = "frames") -> Tensor:
        """Embed what is seen in the last frames of windows.

        Args:
            frames: (B, T, E) expression vectors, or (B, T, 3, H, W) RGB in [-1, 1] aligned face
                crops of any size; oldest first, T at least `settings.frames`.
            name: what to call the argument in errors.

        Returns:
            (B, D) in (-1, 1).

        Raises:
            ShapeError: for another shape, type or range, or values that are not finite.
        """
        frames = self._last_frames(frames, 3 if self.visual == "expression" else 5, name)
        if self.visual == "image":
            prepared = prepare_images(frames.flatten(0, 1), self.settings.image_size, name=name)
            frames = prepared.unflatten(0, frames.shape[:2])
        return fuse_frames(self.visual_encoder, self.visual_attention, frames)

    def _last_frames(self, windows: Tensor, dimensions: int, name: str) -> Tensor:
        count = self.settings.frames
        if (
            windows.ndim != dimensions
            or windows.shape[1] < count
            or 0 in windows.shape
            or not windows.is_floating_point()
        ):
            form = "(B, T, length)" if dimensions == 3 else "(B, T, 3, H, W)"
            raise ShapeError(
                f"{name} must be floating-point {form} with T at least {count}, found "
                f"{windows.dtype} {tuple(windows.shape)}"
            )
        last = windows[:, -count:]

        def complain(found: list[float]) -> None:
            if not all(found):
                raise ShapeError(f"{name} holds values that are not finite (NaN or infinite)")

        if dimensions == 3:
            finite = torch.isfinite(last.detach()).all().reshape(1)
            check_numbers(finite, complain, key=(name, tuple(windows.shape)))
        return last

    def save(self, path: Path | str, *, provenance: Mapping[str, Any] | None = None) -> None:
        """Write a safetensors checkpoint with the settings and `provenance` (plain values)."""
        facts = {
            "settings": asdict(self.settings),
            "visual": self.visual,
            "provenance": dict(provenance or {}),
        }
        save_checkpoint(Path(path), self.state_dict(), kind=self.kind, facts=facts)

    @classmethod
    def load(
        cls, path: Path | str, *, device: torch.device | str = "cpu", supervise: bool = True
    ) -> Self:
        """Read a checkpoint; frozen for supervision unless `supervise` is false.

        Raises:
            CheckpointError: if the file is missing, damaged or made for another network.
        """
        tensors, facts = load_checkpoint(path, kind=cls.kind, device=device)
        settings = settings_from_facts(CrossModalSettings, facts["settings"], Path(path))
        metric = cls(settings, facts["visual"]).to(device)
        load_weights(metric, tensors, path)
        return metric.supervise() if supervise else metric
