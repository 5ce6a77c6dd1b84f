"""How large everything is: published sizes on a GPU, tiny ones in a rehearsal."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spfem.settings import (
    CrossModalSettings,
    LipSyncSettings,
    ManipulatorSettings,
    RendererSettings,
    SpatialSettings,
    TemporalSettings,
)


@dataclass(frozen=True)
class Sizes:
    """Sizes of one run.

    Attributes:
        spatial: ASCCL as timed and learned.
        windows: STCCL as timed, frames of a window each.
        cross_modal: SCMCL.
        manipulator: the manipulator.
        renderer: the NED renderer.
        checked_spatial: ASCCL as checked: the published widths on small pictures.
        checked_temporal: STCCL, likewise.
        checked_renderer: the renderer, likewise.
        lip_sync: the lip-sync network.
        picture_side: pixels of pictures for the networks of one size, a multiple of 32.
        groups: actors, emotions and frames a clip of the cross-modal steps.
        clip_frames: of a manipulated clip.
        rendered_frames: of a rendered clip.
        rendered_clips: in a batch.
        moved_sides: pixels of the renderer that moves pixels.
        matrix_side: of the matrix product that measures the peak.
        copied_mib: of the copy that measures the bandwidth.
        repeats: counted runs of what is timed.
        learning_steps: at most.
    """

    spatial: SpatialSettings
    windows: tuple[TemporalSettings, ...]
    cross_modal: CrossModalSettings
    manipulator: ManipulatorSettings
    renderer: RendererSettings
    checked_spatial: SpatialSettings
    checked_temporal: TemporalSettings
    checked_renderer: RendererSettings
    lip_sync: LipSyncSettings
    picture_side: int
    groups: tuple[int, int, int]
    clip_frames: int
    rendered_frames: int
    rendered_clips: int
    moved_sides: tuple[int, ...]
    matrix_side: int
    copied_mib: int
    repeats: int
    learning_steps: int


def published() -> Sizes:
    """The sizes of the papers."""
    spatial, renderer = SpatialSettings(), RendererSettings(augmentation=0.0)
    # The published widths, which choose the kernels; as deep as the processor has time for.
    checked = replace(spatial, image_size=64, blocks=(1, 1, 2, 1))
    return Sizes(
        spatial=spatial,
        windows=tuple(TemporalSettings(spatial=spatial, window_frames=n) for n in (5, 9)),
        cross_modal=CrossModalSettings(),
        manipulator=ManipulatorSettings(),
        renderer=renderer,
        checked_spatial=checked,
        checked_temporal=TemporalSettings(spatial=checked, window_frames=3, places=(64, 32, 16, 4)),
        checked_renderer=replace(
            renderer, image_size=64, mouth_size=32, pixel_weight=1.0, blocks=3, downsamplings=2
        ),
        lip_sync=LipSyncSettings(),
        picture_side=64,
        groups=(36, 6, 80),
        clip_frames=300,
        rendered_frames=200,
        rendered_clips=8,
        moved_sides=(256, 512, 1024),
        matrix_side=8192,
        copied_mib=1024,
        repeats=5,
        learning_steps=4000,
    )


def rehearsed() -> Sizes:
    """Sizes at which the processor is through in a minute."""
    spatial = SpatialSettings(
        image_size=32, widths=(16, 32), blocks=(1, 1), centres=(4, 3), batch_size=2,
        curve_steps=2, steps=4,
    )  # fmt: skip
    temporal = TemporalSettings(spatial=spatial, window_frames=3, places=(6, 4), batch_size=1)
    renderer = RendererSettings(
        image_size=64, width=16, blocks=2, downsamplings=1, discriminator_width=16, mouth_size=16,
        chunk_frames=2, augmentation=0.0,
    )  # fmt: skip
    return Sizes(
        spatial=spatial,
        windows=(temporal, replace(temporal, window_frames=4)),
        cross_modal=CrossModalSettings(
            width=16,
            layers=2,
            doublings=(1,),
            image_width=16,
            embedding=16,
            heads=2,
            batch_size=8,
            image_size=32,
            single_image_size=32,
        ),
        manipulator=ManipulatorSettings(width=16, encoder_width=16, batch_size=8),
        renderer=renderer,
        checked_spatial=spatial,
        checked_temporal=temporal,
        checked_renderer=replace(
            renderer, image_size=32, pixel_weight=1.0, sequence_frames=(6,), chunk_frames=2
        ),
        lip_sync=LipSyncSettings(crop_size=16, width=16, embedding=16),
        picture_side=32,
        groups=(2, 2, 12),
        clip_frames=40,
        rendered_frames=6,
        rendered_clips=2,
        moved_sides=(64,),
        matrix_side=128,
        copied_mib=4,
        repeats=1,
        learning_steps=4,
    )
