"""The released cross-modal steps, literally: for comparison of values and of speed only."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional


def rejected_batch(samples, anchor: int, count: int) -> list[int]:
    """The anchor and others of its group, drawn from all samples until enough fit."""
    chosen = [anchor]
    while len(chosen) < count:
        other = np.random.randint(len(samples))
        if other != anchor and samples.group[other] == samples.group[anchor]:
            chosen.append(other)
    return chosen


def pair_loss(u, v):
    distances = torch.cdist(u, v)
    return functional.cross_entropy(-distances, torch.arange(len(u), device=u.device)), distances


def looped_distances(u, v):
    """Mean distance within pairs and between different rows, one tensor operation a pair."""
    with torch.no_grad():
        within = torch.norm(u - v, dim=1).mean()
        between, count = 0.0, 0
        for i in range(len(u)):
            for j in range(len(u)):
                if i != j:
                    rows = torch.stack([u[i] - u[j], v[i] - v[j]])
                    between = between + torch.norm(rows, dim=1).mean()
                    count += 1
        return within, between / count


def stage_a_loss(encoder, table, modality, samples, chosen):
    """One batch, frame by frame stacked; a repeated frame is encoded again."""
    pairs = [
        torch.from_numpy(table.signals[modality][[samples.source[n], samples.target[n]]])
        for n in chosen
    ]
    stacked = torch.stack(pairs).unsqueeze(2).to(next(encoder.parameters()).device)
    embedded = encoder(stacked.flatten(0, 1)).reshape(len(chosen), 2, -1)
    loss, _ = pair_loss(embedded[:, 0], embedded[:, 1])
    return loss, looped_distances(embedded[:, 0].detach(), embedded[:, 1].detach())


def fused(encoder, attention, frames):
    """Clips (B, 2, length): an encoder call a frame, then the newest asks the past."""
    older, newer = encoder.encode(frames[:, :1]), encoder.encode(frames[:, 1:])
    with torch.no_grad():  # the attention whose result the released block overwrites
        query, context = (f.transpose(1, 2) for f in (newer, older))
        attention.blocks[0].attention(attention.proj_q(query), attention.proj_x(context))
    return torch.tanh(attention(newer, older).flatten(2).mean(2))


def stage_b_loss(model, table, samples, chosen):
    """Both modalities of one batch, with the consistency of their distances."""
    runs = table.runs(np.concatenate([samples.source[chosen], samples.target[chosen]]), 2)
    distances, total, device = [], 0.0, model.scale_layer.w.device
    for modality, encoder, attention in (
        ("audio", model.audio_encoder, model.audio_attn),
        (model.visual, model.visual_encoder, model.visual_attention),
    ):
        frames = torch.from_numpy(np.stack([table.signals[modality][run] for run in runs]))
        u, v = fused(encoder, attention, frames.to(device)).chunk(2)
        loss, matrix = pair_loss(u, v)
        looped_distances(u.detach(), v.detach())
        total = total + loss
        distances.append(matrix)
    audio, visual = distances
    return total + (model.scale_layer(visual) - audio).abs().mean()


def looped_consistency(metric, generated, source, between, distance, between_distance, labels):
    """The similarity term sample by sample, batch 1; labels (source, target)."""
    terms = []
    for n in range(len(generated)):
        from_label, to_label = int(labels[0][n]), int(labels[1][n])
        if from_label == to_label or not torch.isfinite(distance[n]):
            continue
        direct = from_label == 0 or to_label == 0
        other, wanted = (source, distance) if direct else (between, between_distance)
        embedded = []
        for windows in (generated, other):
            last, newest = (
                metric.visual_encoder.encode(windows[n : n + 1, t, None]) for t in (-2, -1)
            )
            embedded.append(torch.tanh(metric.visual_attention(newest, last).flatten(2).mean(2)))
        apart = torch.norm(embedded[0] - embedded[1].detach(), dim=1)
        terms.append((metric.scale_layer(apart) - wanted[n]).abs())
    return torch.cat(terms).mean()
