from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from studies import ablation_supervision as module
from studies.ablation_supervision import codes_measured
from studies.ablation_variants import SUPERVISION_VARIANTS as VARIANTS
from studies.ablation_variants import find_variant
from studies.probes import MOUTH, OTHERS

from spfem.scales import AblationSettings
from spfem.settings import EMOTIONS, SupervisionSettings
from tests.evaluation.made_up import make_corpus


@pytest.mark.parametrize("factor", [0.3, 1.0, 3.0])
def test_factors_multiply_the_weights_of_the_scale(factor):
    variant = find_variant(VARIANTS, f"ASCCL x {factor:g}")
    scale = SimpleNamespace(supervision=SupervisionSettings(gradient_share=0.2))
    material = SimpleNamespace(workspace=SimpleNamespace(scale=scale))
    weights = module._weights(material, variant)
    assert weights == replace(scale.supervision, gradient_share=0.2 * factor)
    assert variant.against == "NED"


class Namer:
    """Names the emotion whose number stands in a unit off the mouth, half sure."""

    def probabilities(self, features):
        table = np.full((len(features), len(EMOTIONS)), 0.5 / (len(EMOTIONS) - 1))
        table[np.arange(len(features)), np.round(features[:, OTHERS[0]] * 10).astype(int)] = 0.5
        return table


def test_codes_are_compared_with_the_truth_of_the_wished_emotion(tmp_path, monkeypatch):
    corpus = make_corpus(targets=2, own=2)
    clips = tuple(replace(clip, root=tmp_path) for clip in corpus.clips)
    corpus = replace(corpus, root=tmp_path, clips=clips)
    off, wrong = 0.25, "happy"  # how far off, and the emotion that comes out as sad
    codes = {emotion: np.full((4, 52), n / 10) for n, emotion in enumerate(EMOTIONS)}
    for clip in clips:
        for path in (clip.truth, *(clip.counterpart(emotion)[1] for emotion in EMOTIONS)):
            path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(clip.truth, face_units=codes[clip.emotion])
        for emotion in EMOTIONS:
            np.savez(clip.counterpart(emotion)[1], face_units=codes[emotion])
    tracks = {clip.key: SimpleNamespace(expression=codes[clip.emotion]) for clip in clips}

    def edit(manipulator, expression, wish, *, anchored, seed):
        made = wish.references[0].copy()
        if np.array_equal(made, codes[wrong]):
            return codes["sad"]
        made[:, MOUTH] += off
        return made

    monkeypatch.setattr(module, "_persons", lambda material: tracks)
    monkeypatch.setattr(module, "edit_expression", edit)
    workspace = SimpleNamespace(scale=SimpleNamespace(ablations=AblationSettings()))
    material = SimpleNamespace(workspace=workspace, corpus=corpus, settings=AblationSettings())
    measured = codes_measured(material, object(), Namer(), seed=0)
    value = {name: np.divide(*each.values.sum(axis=0)) for name, each in measured.items()}
    slip = abs(EMOTIONS.index("sad") - EMOTIONS.index(wrong)) / 10
    assert value["mouth_error"] == pytest.approx((6 * off + slip) / 7)
    assert value["expression_error"] == pytest.approx((6 * off * len(MOUTH) / 52 + slip) / 7)
    assert value["emotion_accuracy"] == pytest.approx(6 / 7)
    assert value["emotion_probability"] == pytest.approx((6 * 0.5 + 0.5 / 6) / 7)
    assert {actor for actor, _ in measured["mouth_error"].clusters} == {"A1", "A2"}
    assert len(measured["mouth_error"].values) == 4  # two sources of two actors
    copied = codes_measured(material, None, Namer(), seed=0)["expression_error"]
    assert np.divide(*copied.values.sum(axis=0)) == pytest.approx(np.mean(range(7)) / 10)
