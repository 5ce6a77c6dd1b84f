"""The recorded numbers of the released metrics, by kind of case."""

from __future__ import annotations

import pytest
import torch

from spfem.correlation.asccl import (
    ProjectionHeads,
    SpatialCoherence,
    adaptive_weight,
    info_nce,
    normalise_channels,
)
from spfem.correlation.backbone import IResNet
from spfem.correlation.encoders import (
    AudioEncoder,
    CrossAttentionFusion,
    ExpressionEncoder,
    ImageEncoder,
    fuse_frames,
)
from spfem.correlation.scmcl import ScaleLayer, consistency_loss, mean_distances, pair_loss
from spfem.correlation.similarity import released_similarity
from spfem.correlation.stccl import (
    TemporalCoherence,
    WindowComparison,
    pair_differences,
)
from spfem.settings import CrossModalSettings, SpatialSettings, TemporalSettings
from tests.parity import compare_cases, in_precisions


def _backbone(case):
    images = case.inputs["image"]
    names = case.released_shapes()
    widths = [
        shape[0] for name, shape in names.items() if name.endswith(".0.conv2.weight")
    ]  # of the first block of each stage
    blocks = case.arguments.get("blocks") or [
        sum(f"layer{level + 1}." in n and n.endswith(".conv2.weight") for n in names)
        for level in range(len(widths))
    ]
    net = case.fill(IResNet(widths, blocks))
    with torch.no_grad():
        for level, features in enumerate(net(images)):
            case.verify(f"level{level}", features)
    for name in case.facts["outputs"]:
        if "running_" in name:
            case.verify(name, net.get_buffer(name))


def _heads(case):
    widths = [pair[0] for pair in case.arguments["widths"]]
    heads = case.fill(ProjectionHeads(widths))
    for level in range(len(widths)):
        rows = heads.project(level, case.inputs[f"level{level}"])
        case.verify(f"head{level}", rows)
        case.verify(f"z{level}", normalise_channels(rows.transpose(1, 2)))


def _spatial(case):
    inputs = case.inputs
    arguments = case.arguments
    settings = SpatialSettings(
        image_size=inputs["image_q"].shape[-1],
        centres=tuple(arguments["samples"]),
        temperature=arguments["tau"],
        scale=case.compat["scale"],
        compat="upstream",
    )
    metric = case.fill(SpatialCoherence(settings))
    images = inputs["image_q"].requires_grad_()
    count = len(settings.centres)
    levels = metric.compare(
        images, inputs["image_k"], centres=[inputs[f"centres{n}"] for n in range(count)]
    )
    loss = metric.total(levels)
    loss.backward()
    case.verify("loss", loss)
    scores = [
        released_similarity(level.query, level.key, inputs[f"perm{n}"])
        for n, level in enumerate(levels)
    ]
    case.verify("pos", sum(positive for positive, _ in scores) / count)
    case.verify("neg", sum(negative for _, negative in scores) / count)
    for n, level in enumerate(levels):
        case.verify(f"level_loss{n}", level.loss)
        case.verify(f"level_weight{n}", level.weight[0, 0])
        case.verify(f"level_ce{n}", level.cross_entropy.mean())
        case.verify(f"z_q{n}", level.query)
        case.verify(f"z_k{n}", level.key)
    case.verify("grad.image_q", images.grad)
    for name in case.facts["outputs"]:
        if name.startswith("grad.") and name not in case.compared:
            case.verify(name, metric.get_parameter(name.removeprefix("grad.")).grad)
        if name.startswith("after."):
            case.verify(name, metric.get_buffer(name.removeprefix("after.")))


def _patch_nce(case):
    inputs = case.inputs
    for tau in case.arguments["tau"]:
        query = inputs["q"].clone().requires_grad_()
        rows = info_nce(normalise_channels(query), normalise_channels(inputs["k"]), tau)
        weighted = rows.mean() * inputs["w"].mean()
        weighted.backward()
        case.verify(f"unweighted_tau{tau}", rows.mean())
        case.verify(f"weighted_tau{tau}", weighted)
        case.verify(f"grad_q_tau{tau}", query.grad)


def _adaptive_weight(case):
    case.verify("w", adaptive_weight(case.inputs["d"]))


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


def _operators(case):
    features = case.inputs["x"]
    case.verify("pair_differences", pair_differences(features))
    # No loss of the papers uses the others; this is all that they are.
    case.verify("accumulated_differences", features[:, 1:] - features[:, :1])
    case.verify("aggregation", features.mean(dim=1))
    case.verify("shuffle_and_subtract", features - features[:, case.inputs["order"]])


def _subtraction(case):
    inputs, counts = case.inputs, tuple(case.arguments["samples"])
    spatial = SpatialSettings(
        image_size=inputs["clip_q"].shape[-1], temperature=case.arguments["tau"]
    )
    settings = TemporalSettings(
        spatial=spatial, places=counts, window_frames=case.arguments["T"], compat="upstream"
    )
    metric = case.fill(TemporalCoherence(settings))
    windows = inputs["clip_q"].requires_grad_()
    query, key = metric.feature_maps(windows, inputs["clip_k"], None)
    places = []
    for level, maps in enumerate(query):
        flat = inputs[f"flat{level}"]
        places.append(torch.stack([flat // maps.shape[3], flat % maps.shape[3]], dim=1))
    compared = WindowComparison(metric.compare_maps(query, key, places, None, windows.shape[:2]))
    loss = metric.total(compared)
    loss.backward()
    case.verify("loss", loss)
    scores = [
        released_similarity(level.query, level.key, inputs[f"perm{n}"])
        for n, level in enumerate(compared.temporal)
    ]
    case.verify("pos", sum(positive for positive, _ in scores) / len(scores))
    case.verify("neg", sum(negative for _, negative in scores) / len(scores))
    recorded = {"grad.clip_q": windows.grad}
    for n, level in enumerate(compared.temporal):
        recorded |= {f"level_loss{n}": level.loss, f"z_q{n}": level.query, f"z_k{n}": level.key}
    for name in case.facts["outputs"]:
        if name in recorded:
            case.verify(name, recorded[name])
        elif name.startswith("grad."):
            case.verify(name, metric.get_parameter(name.removeprefix("grad.")).grad)
        elif name.startswith("after."):
            case.verify(name, metric.get_buffer(name.removeprefix("after.")))


COVERED = {
    "iresnet50": _backbone,
    "iresnet50_train": _backbone,
    "mlp_heads": _heads,
    "spatial_upstream_eval": _spatial,
    "spatial_inner_eval": _spatial,
    "spatial_upstream_train": _spatial,
    "patch_nce": _patch_nce,
    "adaptive_weight": _adaptive_weight,
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
    "temporal_operators": _operators,
    "temporal_sub": _subtraction,
    "temporal_sub_train": _subtraction,
}
SLOW = [kind for kind, run in COVERED.items() if run in (_spatial, _backbone, _subtraction)]


@pytest.mark.parametrize(("kind", "dtype"), in_precisions(COVERED, slow=SLOW))
def test_recorded_outputs(check, parity_folder, kind, dtype):
    compare_cases(COVERED, check, parity_folder, kind, dtype)
