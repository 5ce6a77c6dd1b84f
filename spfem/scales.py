"""All settings of one run, and its four scales: smoke, demo, full and paper."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from spfem.errors import SettingsError
from spfem.methods import BASES, METHODS, PUBLISHED, check_base
from spfem.settings import (
    CorpusSettings,
    CrossModalSettings,
    EvaluationSettings,
    FaceSettings,
    LipSyncSettings,
    ManipulatorSettings,
    PairingSettings,
    ReaderFilmSettings,
    ReaderSettings,
    RendererSettings,
    SpatialSettings,
    SupervisionSettings,
    TemporalSettings,
)

DEVICES = ("auto", "cpu", "cuda")
BASE_SEED = 0
"""All renderers go on from one base: it takes longer than many adaptations, and its draws would
add to the differences of seeds what no method causes."""


@dataclass(frozen=True)
class NedBaseSettings:
    """What the base `ned` shows: each actor, method and seed needs a renderer of its own."""

    actors: int = 6  # target actors, spread over their order, at most as many as there are
    seeds: int = 1  # the first ones of the scale
    edit_share: int = 1  # as in `EvaluationSettings`
    methods: tuple[str, ...] | None = None  # None: those of the scale


@dataclass(frozen=True)
class MovedPixelSettings:
    """Which edits show what moving the source's own pixels costs."""

    actors: int = 2  # target actors, spread over their order
    sources: int = 2  # neutral clips an actor, at most as many as are held back
    emotions: int = 6  # wished ones, the first of `EMOTIONS` after neutral


@dataclass(frozen=True)
class AblationSettings:
    """Learning is short, and equally long for all variants of a table, the unchanged one too."""

    seeds: tuple[int, ...] = (0, 1, 2)
    spatial_steps: int = 20_000
    temporal_steps: int = 20_000
    cross_modal_steps: int = 20_000  # of each modality alone, and again of two together
    tune_steps: int = 2_000  # of a manipulator, from the one that all methods share
    scored_pairs: int = 45  # clip pairs of unseen actors, evenly spread, at most
    comparisons: int = 225  # matched moments, spread over the scored pairs
    gradient_moments: int = 20  # of those, whose gradient is looked at
    sources_per_actor: int = 2  # neutral clips that are edited, per target actor
    variants: int | None = None  # of each table, the first ones; None: all


@dataclass(frozen=True)
class Scale:
    """The settings of one run of the whole street."""

    name: str
    notebooks_at_once: int = 1  # of a whole run; each gets its share of the threads
    seeds: tuple[int, ...] = (0,)  # of manipulators and of all that is edited with them
    metric_seeds: tuple[int, ...] = (0,)
    methods: tuple[str, ...] = ("ned", "ned+asccl")  # names of `spfem.methods.METHODS`
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    face: FaceSettings = field(default_factory=FaceSettings)
    reader_films: ReaderFilmSettings = field(default_factory=ReaderFilmSettings)
    reader: ReaderSettings = field(default_factory=ReaderSettings)
    pairing: PairingSettings = field(default_factory=PairingSettings)
    spatial: SpatialSettings = field(default_factory=SpatialSettings)
    spatial_speech: SpatialSettings = field(  # goes on from the learned `spatial`
        default_factory=lambda: SpatialSettings(speech_weight=6.0)
    )
    temporal: TemporalSettings = field(default_factory=TemporalSettings)
    temporal_from_spatial: bool = False  # goes on from the learned `spatial`; not in the paper
    cross_modal: CrossModalSettings = field(default_factory=CrossModalSettings)
    manipulator: ManipulatorSettings = field(default_factory=ManipulatorSettings)  # of all methods
    published_manipulator: ManipulatorSettings | None = None  # None: `manipulator` is as published
    renderer: RendererSettings = field(default_factory=RendererSettings)
    supervision: SupervisionSettings = field(default_factory=SupervisionSettings)
    lip_sync: LipSyncSettings = field(default_factory=LipSyncSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    ned_base: NedBaseSettings = field(default_factory=NedBaseSettings)
    moved_pixels: MovedPixelSettings = field(default_factory=MovedPixelSettings)
    ablations: AblationSettings = field(default_factory=AblationSettings)

    def methods_of(self, base: str) -> tuple[str, ...]:
        """The trained methods that a base shows."""
        own = self.methods if check_base(base) == BASES[0] else self.ned_base.methods
        return self.methods if own is None else own

    def seeds_of(self, base: str) -> tuple[int, ...]:
        """The seeds that a base shows."""
        return self.seeds if check_base(base) == BASES[0] else self.seeds[: self.ned_base.seeds]

    def runs_of(self, base: str) -> dict[str, tuple[int, ...]]:
        """Seeds by trained method that a base shows, the published form of NED included."""
        runs = dict.fromkeys(self.methods_of(base), self.seeds_of(base))
        if self.published_manipulator is not None and base in METHODS[PUBLISHED].bases:
            runs[PUBLISHED] = self.metric_seeds
        return runs

    def metric_seed(self, seed: int) -> int:
        """Seed of the metrics that supervise what is learned with `seed`; they come in turn."""
        return self.metric_seeds[seed % len(self.metric_seeds)]


def _methods_of(base: str) -> tuple[str, ...]:
    return tuple(
        name for name, method in METHODS.items() if base in method.bases and name != PUBLISHED
    )


_PUBLISHED_MANIPULATOR = ManipulatorSettings(  # smaller; departures keep it stable in few steps
    width=64,
    encoder_width=128,
    residual=True,
    encode_reference=True,
    fixed_style_target=True,
    discriminator_noise=0.5,
    discriminator_rate=0.3,
    first_beta=0.5,
    batch_size=32,
    steps=700,
    learning_rate=1e-3,
    cycle_weight=0.3,
    style_weight=0.3,
)


def _demo() -> Scale:
    spatial = SpatialSettings(
        image_size=96,
        widths=(16, 32, 64, 128),
        blocks=(2, 1, 2, 1),  # with one block the first level sees too little to tell places
        learning_rate=1e-2,  # the paper's 1e-3 needs more steps
        decay_share=0.5,
        steps=500,
        precision="auto",
        inside=True,  # 86 % of the gradient falls on the face, not 46; speech is told as well
    )
    return Scale(
        name="demo",
        # Two of one thread each: threads of one small network wait for each other at every layer,
        # and where a core is shared with something else, they wait long.
        notebooks_at_once=2,
        corpus=CorpusSettings(counterparts="edited"),
        spatial=spatial,
        spatial_speech=replace(spatial, speech_weight=6.0, learning_rate=5e-3, steps=500),
        seeds=(0, 1, 2),
        lip_sync=LipSyncSettings(steps=300),
        evaluation=EvaluationSettings(edit_share=3, comparisons=120, defect_steps=40),
        ned_base=NedBaseSettings(actors=2),
        moved_pixels=MovedPixelSettings(sources=1, emotions=3),
        ablations=AblationSettings(
            spatial_steps=150, temporal_steps=100, cross_modal_steps=60, tune_steps=80
        ),
        temporal_from_spatial=True,
        temporal=TemporalSettings(
            spatial=spatial,
            places=(256, 128, 64, 16),  # the last level has no more
            window_frames=8,  # with five, matrices of exact speech hardly tell moments apart
            learning_rate=5e-3,
            decay_share=0.5,
            batch_size=2,
            steps=100,
        ),
        cross_modal=CrossModalSettings(
            width=16,
            image_width=16,
            fps=25,
            image_size=32,
            single_image_size=32,
            consistency_start=16,
            false_negative_frames=1,  # of 40 ms; more would forbid to tell neighbours apart
            single_learning_rate=1e-3,  # the paper's rates need the paper's number of steps
            single_steps=60,
            joint_learning_rate=1e-3,
            joint_steps=80,
            decay_share=0.5,
            curve_steps=20,
        ),
        published_manipulator=_PUBLISHED_MANIPULATOR,
        # Learned from estimated counterparts: NED's own losses and generator are further from the
        # truth on people whom they never saw than the mean change of other people.
        manipulator=ManipulatorSettings(
            affine_rank=8,
            encoder_width=64,
            encode_reference=True,
            fixed_style_target=True,
            first_beta=0.9,
            steps=600,
            learning_rate=1e-2,
            tune_steps=100,
            tune_learning_rate=2e-3,
            cycle_weight=0.0,
            style_weight=0.0,
            mouth_weight=0.0,
            adversarial_weight=0.0,
            aligned_weight=1.0,
        ),
        renderer=RendererSettings(
            image_size=96,
            width=32,
            blocks=4,
            downsamplings=2,
            kernel=3,
            fold=2,
            skips=True,
            discriminator_width=16,
            mouth_size=32,
            base_steps=450,
            base_clips=64,
            adapt_steps=150,
            batch_size=2,
            sequence_frames=(8, 8, 16),
            augmentation=0.0,
            learning_rate=1e-3,
            adapt_learning_rate=1e-3,
            decay_fraction=0.5,
            adversarial_weight=0.1,
            feature_weight=1.0,
            pixel_weight=10.0,
            precision="auto",
        ),
        supervision=SupervisionSettings(
            # The published form (10, "cosine", 1) loses to plain NED here: retrieval picks what
            # sounds alike, which holds the edit to its source.
            manipulator_paired=3.0,
            manipulator_paired_form="absolute",
            manipulator_consistency=0.1,
            renderer_paired=0.3,
            renderer_every=4,
        ),
    )


def _smoke() -> Scale:
    demo = _demo()
    spatial = replace(
        demo.spatial,
        image_size=64,
        widths=(16, 32, 64, 128),
        blocks=(1, 1, 1, 1),
        steps=30,
        curve_steps=10,
    )
    return replace(
        demo,
        name="smoke",
        seeds=(0,),
        methods=("ned", "ned+all"),  # every supervision
        corpus=replace(
            demo.corpus, metric_actors=3, target_actors=2, shared_sentences=1, own_sentences=1
        ),
        reader_films=ReaderFilmSettings(
            people=4, mixed_clips=1, mixed_frames=12, neutral_frames=12, frame_sizes=(128,)
        ),
        reader=ReaderSettings(width=32, steps=20, batch_size=16, held_out_people=1),
        spatial=spatial,
        spatial_speech=replace(spatial, speech_weight=6.0),
        temporal=replace(
            demo.temporal,
            spatial=spatial,
            places=(64, 32, 16, 4),
            steps=6,
            curve_steps=3,
        ),
        cross_modal=replace(
            demo.cross_modal,
            batch_size=16,
            single_steps=8,
            joint_steps=8,
            consistency_start=2,
            curve_steps=4,
        ),
        manipulator=replace(demo.manipulator, encoder_width=32, steps=20, tune_steps=10),
        published_manipulator=replace(_PUBLISHED_MANIPULATOR, width=32, encoder_width=32, steps=20),
        renderer=replace(demo.renderer, width=16, blocks=2, base_steps=20, adapt_steps=10),
        lip_sync=replace(demo.lip_sync, steps=20),
        evaluation=replace(
            demo.evaluation,
            edit_share=1,
            resamples=100,
            frechet_resamples=20,
            identity_frames=2,
            comparisons=24,
            compared_pairs=6,
            defect_steps=2,
        ),
        ned_base=NedBaseSettings(actors=1),
        moved_pixels=MovedPixelSettings(actors=1, sources=1, emotions=2),
        ablations=AblationSettings(
            seeds=(0,),
            spatial_steps=1,
            temporal_steps=1,
            cross_modal_steps=1,
            tune_steps=1,
            scored_pairs=4,
            comparisons=8,
            gradient_moments=2,
            sources_per_actor=1,
            variants=2,
        ),
    )


def _full() -> Scale:
    demo = _demo()
    return replace(
        demo,
        name="full",
        methods=tuple(name for name in _methods_of("moved") if name != "ned+all"),  # of no paper
        seeds=tuple(range(10)),
        metric_seeds=(0, 1, 2),
        corpus=CorpusSettings(metric_actors=12, target_actors=8, counterparts="edited"),
        spatial=replace(demo.spatial, steps=700),
        spatial_speech=replace(demo.spatial_speech, steps=700),
        temporal=replace(demo.temporal, steps=150),
        cross_modal=replace(
            demo.cross_modal,
            image_size=48,
            single_image_size=48,
            single_steps=100,
            joint_steps=700,
            single_learning_rate=2e-3,
            joint_learning_rate=2e-3,
            consistency_start=80,
        ),
        published_manipulator=replace(_PUBLISHED_MANIPULATOR, steps=1000),
        lip_sync=replace(demo.lip_sync, steps=600),
        evaluation=replace(
            demo.evaluation,
            sources_per_actor=2,
            edit_share=10,  # so every edit of one source an actor is shown once a method
            defect_steps=40,
        ),
        ned_base=NedBaseSettings(
            actors=4,  # each with renderers of its own, so their noise is seen with one seed
            methods=(
                "ned", "ned+asccl", "ned+stccl_vd", "ned+untrained", "ned+identity",
                "ned+asccl_released",
            ),
        ),
    )  # fmt: skip


def _paper() -> Scale:
    return Scale(
        name="paper",
        methods=_methods_of("moved"),
        ned_base=NedBaseSettings(methods=_methods_of("ned")),
        corpus=CorpusSettings(frame_size=256, own_sentences=8),
        face=FaceSettings(face_size=256),
    )


_SCALES = {"smoke": _smoke, "demo": _demo, "full": _full, "paper": _paper}
SCALES: tuple[str, ...] = tuple(_SCALES)


def load_scale(name: str) -> Scale:
    """Return the settings of the scale `name`.

    Raises:
        SettingsError: if `name` is not one of `SCALES`.

    Example:
        >>> load_scale("demo").renderer.image_size
        96
    """
    if name not in _SCALES:
        raise SettingsError(f"scale {name!r} is unknown; choose one of {', '.join(SCALES)}")
    return _SCALES[name]()
