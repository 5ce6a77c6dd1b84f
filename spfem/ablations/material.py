"""What every ablation reads: the corpus, its faces and pairs, and actors that no metric saw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spfem.corpus.clips import Corpus
from spfem.correlation.frame_pairs import AlignedClips, FramePairs, collect_frame_pairs
from spfem.correlation.learn import frame_pairs_of_role
from spfem.errors import CorpusError
from spfem.face.stage import FaceStore
from spfem.pairing.index import PairIndex
from spfem.settings import AblationSettings
from spfem.stages.data import make_corpus, make_faces, make_pairs
from spfem.workspace import Workspace

UNSEEN_ROLES = ("held_out", "target")


@dataclass(frozen=True, eq=False)  # by identity, so that what is learned can be kept by it
class Material:
    """Corpus, faces and pairs of a workspace, opened once."""

    workspace: Workspace
    corpus: Corpus
    faces: FaceStore
    pairs: PairIndex

    @property
    def settings(self) -> AblationSettings:
        """How much is learned and scored."""
        return self.workspace.scale.ablations

    @property
    def inputs(self) -> dict[str, str]:
        """Digests of what is read."""
        return {
            "corpus": self.corpus.digest,
            "faces": self.faces.digest,
            "pairs": self.pairs.digest,
        }

    @property
    def device(self) -> str:
        """Where to learn."""
        return self.workspace.device

    @cached_property
    def train(self) -> FramePairs:
        """Frames of the actors that metrics learn from."""
        return frame_pairs_of_role(self.faces, self.pairs, self.corpus.roles, "train")

    def scored_pairs(self) -> tuple[AlignedClips, ...]:
        """Usable clip pairs of unseen actors, evenly spread over actors and emotions.

        Held-out and target actors alike: no metric learns from either.
        """
        roles = self.corpus.roles
        usable = [
            pair
            for pair in self.pairs.pairs
            if pair.usable and roles[pair.source.split("/")[0]] in UNSEEN_ROLES
        ]
        most = min(self.settings.scored_pairs, len(usable))
        spread = np.linspace(0, len(usable), most, endpoint=False).astype(int)
        return tuple(usable[number] for number in spread)

    @cached_property
    def unseen(self) -> FramePairs:
        """Frames of the scored pairs."""
        scored = self.scored_pairs()
        return collect_frame_pairs(self.faces, scored, {p.source.split("/")[0] for p in scored})

    def truths(self, name: str) -> dict[str, np.ndarray]:
        """The array `name` of the exact truth of each clip of the scored pairs, by clip key."""
        clips = {clip.key: clip for clip in self.corpus.clips}
        truths = {}
        for pair in self.scored_pairs():
            for key in (pair.source, pair.target):
                with np.load(clips[key].truth) as arrays:
                    truths[key] = arrays[name]
        return truths


def read_material(workspace: Workspace) -> Material:
    """Corpus, faces and pairs, made where they are not.

    Raises:
        CorpusError: if the corpus has no exact truth to measure against.
    """
    corpus = make_corpus(workspace)
    if not corpus.has_truth:
        raise CorpusError(
            f"{corpus.root} has no exact truth, which ablations are measured against; only the "
            "embedded corpus (--corpus synthetic) has it"
        )
    return Material(workspace, corpus, make_faces(workspace), make_pairs(workspace))
