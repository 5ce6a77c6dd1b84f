"""The released spatial step, literally: for comparison of values and of speed only."""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

OFFSETS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def plain_copy(metric: nn.Module) -> nn.Module:
    """The network of a metric with built-in layers only, in float32."""
    network = copy.deepcopy(metric)
    network.resnet50.precision = "float32"
    for module in network.modules():
        for child in module.children():
            for built_in in (nn.PReLU, nn.BatchNorm2d, nn.Conv2d):
                if isinstance(child, built_in) and type(child) is not built_in:
                    child.__class__ = built_in
    return network


def shuffled_centres(height: int, count: int) -> np.ndarray:
    side = int(height // 2 + 0.45 * height)
    border = (height - side) // 2
    grid = np.array([(row + border, col + border) for row in range(side) for col in range(side)])
    np.random.shuffle(grid)
    return grid[:count]


def differences(features, centres):
    middle_rows, middle_cols, rows, cols = [], [], [], []
    for row, col in centres.tolist():
        for down, right in OFFSETS:  # the centre is read again for each neighbour
            middle_rows.append(row)
            middle_cols.append(col)
            rows.append((row + down) % features.shape[2])
            cols.append((col + right) % features.shape[3])
    return features[:, :, middle_rows, middle_cols] - features[:, :, rows, cols]


def normalise(values):
    return values / (values.pow(2).sum(1, keepdim=True).pow(0.5) + 1e-7)


def patch_nce(query, key, temperature):
    key = key.detach()
    batch, _, rows = query.shape
    positive = (query * key).sum(1).reshape(batch, rows, 1)
    negative = torch.bmm(query.transpose(1, 2), key)
    diagonal = torch.eye(rows, dtype=torch.bool, device=query.device)[None]
    negative = negative.masked_fill(diagonal, -float("inf"))
    logits = torch.cat([positive, negative], dim=2) / temperature
    target = torch.zeros(batch * rows, dtype=torch.long, device=query.device)
    return functional.cross_entropy(logits.reshape(batch * rows, rows + 1), target)


def adaptive_weight(disparities):
    weight = torch.sigmoid(disparities.abs())
    strong = weight > 0.8
    weight = weight.clone()
    weight[strong] = 2 * weight[strong] ** 2
    weight[~strong] = 1.0
    return weight


def head(heads, level, values):
    rows = values.transpose(1, 2)
    for layer in range(3):
        rows = heads[3 * level + layer](rows)
    return rows.transpose(1, 2)


def cpu_scores(query, key):
    query, key = query.detach().cpu(), key.detach().cpu()
    order = torch.randperm(key.shape[2])
    return (
        functional.cosine_similarity(query, key, dim=-1).mean(),
        functional.cosine_similarity(query, key[:, :, order], dim=-1).mean(),
    )


def spatial_loss(network, query_images, key_images, centres=None):
    """Loss and the two scores; both branches record a graph."""
    queries, keys = network.resnet50(query_images), network.resnet50(key_images)
    total, scores = 0.0, []
    for level, (query_map, key_map) in enumerate(zip(queries, keys, strict=True)):
        if centres is None:
            places = shuffled_centres(query_map.shape[2], network.settings.centres[level])
        else:
            places = centres[level]
        raw = differences(query_map, places)
        query = normalise(head(network.mlp, level, raw))
        key = normalise(head(network.mlp, level, differences(key_map, places)))
        loss = patch_nce(query, key, network.settings.temperature)
        total = total + (loss * adaptive_weight(raw)).mean()
        scores.append(cpu_scores(query, key))
    return network.settings.scale * total, scores


def temporal_loss(network, query_windows, key_windows, places=None):
    """All pairs of frames by slice writes; levels summed without a scale."""
    batch, frames = query_windows.shape[:2]
    maps = [network.resnet50(windows.flatten(0, 1)) for windows in (query_windows, key_windows)]
    total, scores = 0.0, []
    for level in range(len(maps[0])):
        _, channels, height, width = maps[0][level].shape
        if places is None:
            flat = np.random.randint(0, height * width, network.settings.places[level])
        else:
            flat = (places[level][:, 0] * width + places[level][:, 1]).numpy()
        described = []
        for features in (maps[0][level], maps[1][level]):
            seen = features.flatten(2)[:, :, flat].reshape(batch, frames, channels, len(flat))
            rows = torch.zeros(batch, frames * (frames - 1) // 2, channels, len(flat))
            rows, count = rows.to(seen.device), 0
            for first in range(frames):
                for second in range(first + 1, frames):
                    rows[:, count] = seen[:, first] - seen[:, second]
                    count += 1
            described.append(normalise(head(network.mlp, level, rows.flatten(0, 1))))
        total = total + patch_nce(*described, network.settings.spatial.temperature)
        scores.append(cpu_scores(*described))
    return total, scores
