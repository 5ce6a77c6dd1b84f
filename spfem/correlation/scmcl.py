"""SCMCL: faces should be as far apart as the voices that belong to them.

Sound and face (expressions or pictures) of a moment are embedded by their encoders, u of the
neutral clip and v of the emotional one, in (-1, 1) each; n and m run over the pairs of a batch:

    D_nm    = |u_n - v_m|                                       of either modality
    L_pair  = mean over n of -log softmax_m(-D_nm / tau)_n      v_n belongs to u_n
    L_cons  = mean over n, m of |a D_visual + b - D_audio|      a, b: the scale layer
    L       = L_pair of sound + L_pair of the face + lambda L_cons

As supervision, of a generated window g, its source s and their audio distance d:

    L       = mean |a |g - s| + b - d|

`consistency="softmax"` is that of LSCMC. Departs from the released code: false negatives can be
masked, running diagnostics are in closed form, distances of equal embeddings have finite gradients,
images are embedded by two frames, as in learning, also in supervision, where the metric stays in
evaluation mode. `compat` in the settings restores the released ways, which stand in
`spfem.released.arithmetic`.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from spfem.correlation.encoders import (
    AudioEncoder,
    CrossAttentionFusion,
    Encoder,
    ExpressionEncoder,
    ImageEncoder,
    fuse_frames,
)
from spfem.correlation.images import CoherenceMetric, check_numbers, prepare_images, refuse_swapped
from spfem.errors import SettingsError, ShapeError
from spfem.settings import CrossModalSettings

TEMPERATURES = {"l2": 1.0, "cosine": 0.1}
SMALLEST_NORM = 1e-7  # keeps the direction of a zero vector finite


def joint_loss(
    audio: tuple[Tensor, Tensor],
    visual: tuple[Tensor, Tensor],
    scale_layer: ScaleLayer,
    settings: CrossModalSettings,
    *,
    mask: Tensor | None = None,
    consistent: bool = True,
) -> tuple[Tensor, Tensor]:
    """The loss of joint learning, and its consistency; scalars.

    `audio` and `visual` are the embeddings u and v, (N, D) each, of sound and face; `mask` is that
    of `pair_loss`; `consistent` says whether the consistency counts already. `direct_weight`, 0 in
    the paper, also compares sound with vision directly, so that either can be looked up by the
    other.
    """

    def pairing(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        return pair_loss(u, v, mode=settings.mode, temperature=settings.temperature, mask=mask)

    audio_loss, audio_distances = pairing(*audio)
    visual_loss, visual_distances = pairing(*visual)
    if settings.consistency == "distance":
        visual_distances = scale_layer(visual_distances)
    consistency = consistency_loss(audio_distances, visual_distances, form=settings.consistency)
    loss = audio_loss + visual_loss
    if consistent:
        loss = loss + settings.consistency_weight * consistency
    if settings.direct_weight:
        direct = pairing(audio[0], visual[1])[0] + pairing(visual[0], audio[1])[0]
        loss = loss + settings.direct_weight * direct
    return loss, consistency


def pair_loss(
    u: Tensor,
    v: Tensor,
    *,
    mode: str = "l2",
    temperature: float | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of finding row n of v from row n of u by its distance; ln N at chance.

    Args:
        u: (N, D) embeddings, of the neutral clip.
        v: (N, D) embeddings, of the emotional clip.
        mode: "l2" or "cosine".
        temperature: of the logits; None: 1 for "l2", 0.1 for "cosine".
        mask: (N, N) bool, true where (row, column) is a false negative and is left out; the
            diagonal stays.

    Returns:
        The loss, a scalar, and the distances (N, N) that it was made of.

    Raises:
        ShapeError: if u, v and mask do not fit.
        SettingsError: for an unknown mode.
    """
    if u.shape != v.shape:
        raise ShapeError(f"u and v must be pairs, found {tuple(u.shape)} and {tuple(v.shape)}")
    distances = embedding_distances(u, v, mode)
    # One minus cosine differs from minus cosine by a constant, which softmax does not see.
    logits = -distances / (TEMPERATURES[mode] if temperature is None else temperature)
    if mask is not None:
        if mask.shape != logits.shape or mask.dtype != torch.bool:
            raise ShapeError(
                f"mask must be bool {tuple(logits.shape)}, found {mask.dtype} {tuple(mask.shape)}"
            )
        positive = torch.eye(len(u), dtype=torch.bool, device=u.device)
        logits = logits.masked_fill(mask & ~positive, -torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(u), device=u.device)), distances


def consistency_loss(
    audio_distances: Tensor, visual_distances: Tensor, *, form: str = "distance"
) -> Tensor:
    """How far the visual distances (N, N) are from the audio distances of the same pairs.

    Both sides keep their gradient; one direction only, the matrices are not transposed. "distance"
    (SCMCL) is the mean absolute difference, of visual distances that went through the
    `ScaleLayer`; "softmax" (LSCMC) the same between the row softmaxes of one minus distance.

    Raises:
        ShapeError: if the shapes differ.
        SettingsError: for an unknown form.
    """
    if audio_distances.shape != visual_distances.shape:
        raise ShapeError(
            "distance matrices must have one shape, found "
            f"{tuple(audio_distances.shape)} and {tuple(visual_distances.shape)}"
        )
    if form == "softmax":
        audio_distances, visual_distances = (
            torch.softmax(1 - distances, dim=1) for distances in (audio_distances, visual_distances)
        )
    elif form != "distance":
        raise SettingsError(f"form must be 'distance' or 'softmax', found {form!r}")
    return (visual_distances - audio_distances).abs().mean()


def embedding_distances(u: Tensor, v: Tensor, mode: str) -> Tensor:
    """Distances (N, M) of u (N, D), v (M, D): Euclidean ("l2") or one minus cosine ("cosine").

    Raises:
        SettingsError: for another mode.
    """
    if mode == "l2":
        return pairwise_distances(u, v)
    if mode == "cosine":  # 1 for a zero row
        u, v = (functional.normalize(rows, dim=1, eps=SMALLEST_NORM) for rows in (u, v))
        return 1 - u @ v.T
    raise SettingsError(f"mode must be 'l2' or 'cosine', found {mode!r}")


def pairwise_distances(u: Tensor, v: Tensor) -> Tensor:
    """Euclidean distances (N, M) between u (N, D) and v (M, D); at zero the gradient is zero.

    Computed from differences: the expansion into products loses small distances in float32.

    Raises:
        ShapeError: if the shapes do not fit.

    Example:
        >>> pairwise_distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[5., 1.]])
    """
    if u.ndim != 2 or v.ndim != 2 or u.shape[1] != v.shape[1]:
        raise ShapeError(
            f"embeddings must be (N, D) and (M, D), found {tuple(u.shape)} and {tuple(v.shape)}"
        )
    return torch.cdist(u, v, compute_mode="donot_use_mm_for_euclid_dist")


def paired_distances(u: Tensor, v: Tensor) -> Tensor:
    """Euclidean distances (N,) between the rows of u (N, D) and v (N, D); safe at zero.

    Raises:
        ShapeError: if the shapes differ.

    Example:
        >>> paired_distances(torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([5., 0.])
    """
    if u.ndim != 2 or u.shape != v.shape:
        raise ShapeError(
            f"embeddings must both be (N, D), found {tuple(u.shape)} and {tuple(v.shape)}"
        )
    return torch.linalg.vector_norm(u - v, dim=1)


@torch.no_grad()
def mean_distances(u: Tensor, v: Tensor, *, mode: str = "l2") -> tuple[Tensor, Tensor]:
    """Mean distance within pairs (N, D), N at least 2, and between different rows of a set.

    Diagnostics only, scalars: mean over n of d(u_n, v_n); mean over m != n of d(u_m, u_n) and
    d(v_m, v_n).
    """
    count = len(u)
    within = embedding_distances(u, v, mode).diagonal().mean()
    between = [embedding_distances(rows, rows, mode) for rows in (u, v)]
    total = sum((d.sum() - d.diagonal().sum() for d in between), torch.zeros_like(within))
    return within, total / (2 * count * (count - 1))


class ScaleLayer(nn.Module):
    """A learned affine map from visual to audio distances, the identity at first."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, distances: Tensor) -> Tensor:
        """Map distances of any shape."""
        return self.w * distances + self.b


Visual = Literal["expression", "image"]


class CrossModalCoherence(CoherenceMetric):
    """The cross-modal metric: an audio and a visual encoder with comparable distances.

    As supervision: `loss = CrossModalCoherence.load(path)(generated, source, audio_distance)`. The
    visual side sees "expression" vectors or face "image"s.

    Raises:
        SettingsError: for another `visual`.
    """

    kind = "cross-modal coherence"
    settings_class = CrossModalSettings
    further_facts = ("visual",)
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

    @classmethod
    def released_form(cls) -> type[CrossModalCoherence]:
        """See `CoherenceMetric`."""
        from spfem.released.arithmetic import ReleasedCrossModalCoherence

        return ReleasedCrossModalCoherence

    @property
    def visual_encoder(self) -> Encoder:
        """The expression or image encoder."""
        return self.expr_encoder if self.visual == "expression" else self.image_encoder

    @property
    def visual_attention(self) -> CrossAttentionFusion:
        """The attention that fuses its frames."""
        return self.expr_attn if self.visual == "expression" else self.image_attn

    def forward(self, generated: Tensor, source: Tensor, audio_distance: Tensor) -> Tensor:
        """Mean absolute difference of calibrated visual and audio distances, a scalar.

        Args:
            generated: (B, T, E) or (B, T, 3, H, W) RGB in [-1, 1]; receives the gradient.
            source: like `generated`; without gradient.
            audio_distance: (B,) distance between the sound of the source and of its pair.

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
        """Visual distances (B,) in the units of audio distances; see `forward`."""
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
        """Embeddings (B, D) in (-1, 1) of the sound of the last frames of windows.

        `slices` are (B, T, A) mono samples in [-1, 1], one row a frame of video, oldest first; the
        last
        `settings.frames` are used.

        Raises:
            ShapeError: for another shape or type, or values that are not finite.
        """
        frames = self._last_frames(slices, 3, name)
        return fuse_frames(self.audio_encoder, self.audio_attn, frames)

    def embed_visual(self, frames: Tensor, *, name: str = "frames") -> Tensor:
        """Embeddings (B, D) in (-1, 1) of what is seen in the last frames of windows.

        `frames` are (B, T, E) expression vectors, or (B, T, 3, H, W) RGB in [-1, 1] aligned face
        crops
        of any size, oldest first; the last `settings.frames` are used.

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

    @property
    def learned_frames(self) -> int:
        """Frames that joint learning fuses into one embedding."""
        return self.settings.frames

    def is_consistent(self, step: int, samples: int) -> bool:
        """Whether the consistency counts at a step (from 0) of learning from so many samples."""
        return step >= self.settings.consistency_start

    def wanted_distance(
        self, distance: Tensor, crossing: Tensor, intermediate_distance: Tensor | None
    ) -> Tensor:
        """Distances (B,) that supervision by pairs holds windows to; see `paired`.

        `crossing` (B,) bool marks pairs of two emotions with a neutral window in between,
        `intermediate_distance` (B,) is that from the source to this window.
        """
        return distance
