"""The street in one place: each stage of a workspace, made when it is first asked for.

Every function makes what it needs, reuses what is there, and returns what the stage made.
Notebooks call these, so that any notebook can be run alone.
"""

from spfem.stages.data import (
    face_unit_curves,
    make_actor_faces,
    make_corpus,
    make_faces,
    make_fitted_persons,
    make_pairs,
    make_persons,
    make_whole_corpus,
    manipulator_clips,
    neutral_clips,
    read_clocks,
    read_visemes,
)
from spfem.stages.manipulators import EXPRESSION_SPACE, make_manipulator
from spfem.stages.metrics import (
    METRICS,
    clip_signals,
    cross_modal_settings,
    load_cross_modal_metric,
    load_spatial_metric,
    load_temporal_metric,
    make_audio_banks,
    make_cross_modal_encoder,
    make_cross_modal_metric,
    make_metric,
    make_spatial_metric,
    make_temporal_metric,
)
from spfem.stages.reader import make_reader, reader_lessons
from spfem.stages.renderer_supervision import ANCHORED
from spfem.stages.renderers import (
    make_actor_renderer,
    make_base_renderer,
    person_texture,
)
from spfem.stages.similarity import make_similarity

__all__ = [
    "ANCHORED",
    "EXPRESSION_SPACE",
    "METRICS",
    "clip_signals",
    "cross_modal_settings",
    "face_unit_curves",
    "load_cross_modal_metric",
    "load_spatial_metric",
    "load_temporal_metric",
    "make_actor_faces",
    "make_actor_renderer",
    "make_audio_banks",
    "make_base_renderer",
    "make_corpus",
    "make_cross_modal_encoder",
    "make_cross_modal_metric",
    "make_faces",
    "make_fitted_persons",
    "make_manipulator",
    "make_metric",
    "make_pairs",
    "make_persons",
    "make_reader",
    "make_similarity",
    "make_spatial_metric",
    "make_temporal_metric",
    "make_whole_corpus",
    "manipulator_clips",
    "neutral_clips",
    "person_texture",
    "read_clocks",
    "read_visemes",
    "reader_lessons",
]
