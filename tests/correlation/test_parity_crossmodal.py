"""The recorded numbers of the released cross-modal metric, by kind of case."""

from __future__ import annotations

import pytest
import torch

from spfem.correlation.encoders import (
    AudioEncoder,
    CrossAttentionFusion,
    ExpressionEncoder,
    ImageEncoder,
    fuse_frames,
)
from spfem.correlation.scmcl import ScaleLayer, consistency_loss, mean_distances, pair_loss
from spfem.settings import CrossModalSettings
from tests.parity import compare_cases, in_precisions

SEQUENCE_ENCODERS = {"audio_encoder": AudioEncoder, "expr_encoder": ExpressionEncoder}


def _settings(case):
    """Sizes read off the recorded shapes."""
    sizes = {}
    for net in case.facts["nets"]:
        shapes = case.released_shapes(net)
        if "convs.0.0.weight" in shapes:
            layers = sum(name.endswith(".0.weight") for name in shapes)
            widths = [shapes[f"convs.{n}.0.weight"][0] for n in range(layers)]
            sizes |= {
                "width": widths[0],
                "layers": layers,
                "doublings": tuple(n for n in range(1, layers) if widths[n] > widths[n - 1]),
                "embedding": shapes["fc.weight"][0],
            }
        if "model.conv1.weight" in shapes:
            sizes["image_width"] = shapes["model.conv1.weight"][0]
            sizes["embedding"] = shapes["model.fc.weight"][0]
        if "proj_q.weight" in shapes:
            sizes["embedding"] = shapes["proj_q.weight"][0]
            sizes["blocks"] = sum(name.endswith(".norm.weight") for name in shapes)
    return CrossModalSettings(heads=case.arguments.get("heads", 4), **sizes)


def _sequence_encoder(case):
    name = case.facts["kind"].rpartition("_")[0]
    encoder = SEQUENCE_ENCODERS[name](_settings(case))
    case.fill(encoder)
    features = encoder.encode(case.inputs["x"])
    case.verify("encode", features)
    case.verify("proj", encoder.project(features))
    for output in case.facts["outputs"]:
        if output.startswith("after."):
            case.verify(output, encoder.get_buffer(output.removeprefix("after.")))


def _image_encoder(case):
    encoder = ImageEncoder(_settings(case))
    case.fill(encoder)
    # Recorded inputs are already normalised by the ImageNet statistics.
    images = (case.inputs["x"] * encoder.deviation + encoder.mean) * 2 - 1
    features = encoder.encode(images)
    case.verify("encode", features)
    case.verify("proj", encoder.project(features))


def _fusion(case):
    settings = _settings(case)
    attention = CrossAttentionFusion(settings, case.released_shapes("attn")["proj_q.weight"][1])
    case.fill(attention, "attn")
    encoders = {}
    for name in set(case.facts["nets"]) & set(SEQUENCE_ENCODERS):
        encoders[name] = case.fill(SEQUENCE_ENCODERS[name](settings), name)
    inputs = case.inputs
    for output in case.facts["outputs"]:
        modality, _, what = output.partition("_")
        if output == "map_fused":
            fused = attention(inputs["feature_map_q"], inputs["feature_map_x"])
        elif what == "h2":
            encoder, clips = encoders[f"{modality}_encoder"], inputs[modality]
            older, newer = (encoder.encode(clips[:, n : n + 1]) for n in (0, 1))
            fused = attention(newer, older)
        else:
            clips = inputs[modality][:, : int(what.removeprefix("fused"))]
            fused = fuse_frames(encoders[f"{modality}_encoder"], attention, clips)
        case.verify(output, fused)


def _scale_layer(case):
    layer, x = ScaleLayer().to(case.dtype), case.inputs["x"]
    case.verify("y_init", layer(x))
    case.verify("y", case.fill(layer)(x))


def _similarity_loss(case):
    x = torch.tanh(case.inputs["raw"]).requires_grad_()
    mode = case.arguments["mode"]
    loss, distances = pair_loss(
        x[:, 0], x[:, 1], mode=mode, temperature=case.arguments["temperature"]
    )
    loss.backward()
    case.verify("loss", loss)
    case.verify("distance", distances)
    case.verify("grad_x", x.grad)
    within, between = mean_distances(x[:, 0], x[:, 1], mode=mode)
    case.verify("diag_pos", within)
    case.verify("diag_neg", between)


def _paired_finetune_step(case):
    settings, frames = _settings(case), case.arguments["nframe"]
    nets = {name: kind(settings) for name, kind in SEQUENCE_ENCODERS.items()}
    for modality in ("audio", "expr"):
        channels = nets[f"{modality}_encoder"].feature_channels
        nets[f"{modality}_attn"] = CrossAttentionFusion(settings, channels)
    nets["scale"] = ScaleLayer()
    for name, net in nets.items():
        case.fill(net, name)
    losses, distances = {}, {}
    for modality in ("audio", "expr"):
        clips = case.inputs[modality].squeeze(2).unflatten(1, (2, frames)).flatten(0, 1)
        fused = fuse_frames(nets[f"{modality}_encoder"], nets[f"{modality}_attn"], clips)
        fused = fused.unflatten(0, (-1, 2))
        case.verify(f"fused_{modality}", fused)
        losses[modality], distances[modality] = pair_loss(
            fused[:, 0], fused[:, 1], mode=case.arguments["loss"]
        )
        case.verify(f"loss_{modality}", losses[modality])
    case.verify("d_audio", distances["audio"])
    scaled = nets["scale"](distances["expr"])
    case.verify("d_expr", scaled)
    consistency = consistency_loss(distances["audio"], scaled)
    case.verify("loss_consistency", consistency)
    total = losses["audio"] + losses["expr"]
    (total + case.arguments["lambda_consistency"] * consistency).backward()
    for output in case.facts["outputs"]:
        if output.startswith("grad."):
            _, net, name = output.split(".", 2)
            case.verify(output, nets[net].get_parameter(name).grad)


COVERED = {
    "audio_encoder_eval": _sequence_encoder,
    "audio_encoder_train": _sequence_encoder,
    "expr_encoder_eval": _sequence_encoder,
    "expr_encoder_train": _sequence_encoder,
    "image_encoder": _image_encoder,
    "fusion_blocks1": _fusion,
    "fusion_blocks2": _fusion,
    "scale_layer": _scale_layer,
    "similarity_loss_l2": _similarity_loss,
    "similarity_loss_cosine": _similarity_loss,
    "paired_finetune_step": _paired_finetune_step,
}


@pytest.mark.parametrize(("kind", "dtype"), in_precisions(COVERED))
def test_recorded_outputs(check, parity_folder, kind, dtype):
    compare_cases(COVERED, check, parity_folder, kind, dtype)
