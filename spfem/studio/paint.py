"""Paints the chart of a face: albedo and shine over rest (x, y) of the front of the head."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from spfem.studio.cast import Appearance, hair_tones, linear, smooth

HALF = 0.48  # head units, as the chart of `spfem.studio.materials`
TOP = -0.42
SIDE = 1024  # pixels of the painted chart


def _spot(
    x: np.ndarray, y: np.ndarray, at: tuple[float, float], size: tuple[float, float]
) -> np.ndarray:
    return np.exp(-(((np.abs(x) - at[0]) / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2)


def _blend(chart: np.ndarray, colour: np.ndarray, weight: np.ndarray) -> None:
    chart[..., :3] += (colour - chart[..., :3]) * weight[..., None]


def _cloud(generator: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth noise (SIDE, SIDE) of about unit deviation with `cells` cells a side."""
    field = generator.normal(size=(cells, cells)).astype(np.float32)
    return cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def lip_masks(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cover of the upper and the lower lip, 0 to 1, at rest places x and y of any shape."""
    across = np.abs(x)
    reach = np.clip(across / 0.094, 0, 1)
    upper_top = 0.1315 - 0.006 * smooth(0.0, 0.022, across) + 0.036 * reach**1.7
    lower_low = 0.2065 - 0.040 * reach**2.4
    seam = 0.162 + 0.004 * reach**2
    ends = 1 - smooth(0.088, 0.097, across)
    upper = smooth(-0.004, 0.004, y - upper_top) * (1 - smooth(-0.003, 0.003, y - seam)) * ends
    lower = smooth(-0.003, 0.003, y - seam) * (1 - smooth(-0.006, 0.005, y - lower_low)) * ends
    return upper, lower


def _strokes(
    starts: np.ndarray, steps: np.ndarray, width: float, darkness: np.ndarray
) -> np.ndarray:
    """Cover (SIDE, SIDE) of hairs from `starts` (N, 2) along `steps` (N, 2), head units."""
    scale = SIDE / (2 * HALF)
    layer = np.zeros((SIDE, SIDE), np.uint8)
    corner = np.array([-HALF, TOP])
    first = np.round((starts - corner) * scale * 16).astype(int)
    last = np.round((starts + steps - corner) * scale * 16).astype(int)
    thickness = max(round(width * scale), 1)
    for p, q, dark in zip(first, last, darkness, strict=True):
        cv2.line(layer, p.tolist(), q.tolist(), int(255 * dark), thickness, cv2.LINE_AA, 4)
    return (layer / 255.0).astype(np.float32)


def _brow_cover(appearance: Appearance, generator: np.random.Generator) -> np.ndarray:
    """Hairs of both brows: rising at the inner end, then lying along the brow."""
    count = int(260 * (0.6 + 0.4 * appearance.brow_thickness))
    t = np.sort(generator.uniform(0, 1, count))
    thickness = 0.0135 * appearance.brow_thickness * (1.15 - 0.85 * t**1.5)
    x = 0.052 + 0.150 * t
    arch = 0.010 + 0.016 * appearance.brow_arch
    middle = -0.184 - 0.012 * t - arch * np.sin(np.pi * np.clip(t, 0, 1) ** 1.35) + 0.010 * t**4
    y = middle + generator.uniform(-1, 1, count) * thickness
    lean = np.radians(62 - 70 * smooth(0, 0.45, t) - 18 * t) + generator.normal(0, 0.16, count)
    length = 0.024 * generator.uniform(0.7, 1.15, count) * (1 - 0.3 * t)
    step = np.stack([np.cos(lean), -np.sin(lean)], -1) * length[:, None]
    fade = np.clip(0.55 + 2.5 * t, 0, 1) * generator.uniform(0.55, 1.0, count)
    start = np.stack([x, y], -1) - step * 0.4
    mirror = np.array([-1.0, 1.0])
    jitter = generator.normal(0, 0.0015, (count, 2))
    hairs = _strokes(
        np.concatenate([start, (start + jitter) * mirror]),
        np.concatenate([step, step * mirror]),
        0.0022,
        np.concatenate([fade, fade]),
    )
    soft = cv2.GaussianBlur(hairs, (0, 0), 4.0)
    return np.clip(hairs * 0.75 + soft * 0.65, 0, 0.95)


def _beard_cover(
    appearance: Appearance, x: np.ndarray, y: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Share of beard hair at each place."""
    across = np.abs(x)
    jaw = smooth(0.02, 0.09, y + 0.12 * smooth(0.18, 0.30, across)) * smooth(0.07, 0.15, across)
    cheek_line = -0.02 + 0.9 * np.clip(0.26 - across, 0, 1)
    cheeks = smooth(-0.02, 0.04, y - cheek_line) * smooth(0.09, 0.14, across)
    chin = smooth(0.205, 0.235, y) * (1 - smooth(0.10, 0.17, across))
    below = 1 - smooth(0.36, 0.46, y)
    moustache = smooth(0.070, 0.088, y - 0.10 * across) * (
        1 - smooth(0.118, 0.13, y - 0.3 * across)
    )
    moustache = moustache * (1 - smooth(0.085, 0.115, across))
    side = smooth(0.085, 0.1, across) * (1 - smooth(0.12, 0.145, across)) * smooth(0.11, 0.15, y)
    side = side * (1 - smooth(0.25, 0.29, y))
    patch = smooth(0.208, 0.216, y) * (1 - smooth(0.018, 0.03, across))
    full = np.maximum.reduce([cheeks * jaw, chin, moustache, side, patch]) * below
    kinds = {
        "none": 0 * x,
        "stubble": 0.42 * full,
        "moustache": 0.92 * moustache,
        "goatee": 0.9
        * np.maximum.reduce([moustache, side, chin * (1 - smooth(0.06, 0.1, across))])
        * below,
        "full": 0.94 * full,
    }
    upper, lower = lip_masks(x, y)
    cover = kinds[appearance.beard] * (1 - np.maximum(upper, lower))
    grain = np.clip(0.82 + 0.22 * generator.standard_normal(x.shape, np.float32), 0.2, 1.1)
    streaks = cv2.GaussianBlur(
        generator.standard_normal(x.shape, np.float32), (0, 0), sigmaX=1.0, sigmaY=5.0
    )
    return np.clip(cover * grain + cover * streaks * 0.9, 0, 0.97)


def _line_shade(appearance: Appearance, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Darkness of the lines of age: forehead, frown, crow's feet, nose to mouth, under the eye."""
    across = np.abs(x)

    def crease(distance: np.ndarray, width: float) -> np.ndarray:
        return np.exp(-((distance / width) ** 2))

    fold_x = 0.062 + 0.055 * np.clip((y - 0.03) / 0.13, 0, 1.2) ** 0.8
    fold = crease(across - fold_x, 0.007) * smooth(0.02, 0.06, y) * (1 - smooth(0.15, 0.20, y))
    bag_y = -0.083 - 0.020 * ((across - 0.12) / 0.06) ** 2
    bags = crease(y - bag_y, 0.007) * (1 - smooth(0.045, 0.065, np.abs(across - 0.12)))
    total = 0.75 * fold + 0.6 * bags
    for row in (-0.255, -0.285, -0.315):
        wave = row + 0.008 * np.cos(x * 14 + row * 40)
        total += 0.45 * crease(y - wave, 0.004) * (1 - smooth(0.10, 0.17, across))
    total += (
        0.5
        * crease(across - 0.018, 0.004)
        * smooth(-0.23, -0.21, y)
        * (1 - smooth(-0.19, -0.17, y))
    )
    for slope in (-0.45, -0.05, 0.4):
        line = y + 0.128 - slope * (across - 0.19)
        total += (
            0.4
            * crease(line, 0.003)
            * smooth(0.195, 0.205, across)
            * (1 - smooth(0.225, 0.25, across))
        )
    return total * appearance.lines


def _occlusion(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Light that reaches the skin, 0 to 1: eye sockets, nostrils, mouth corners, chin groove."""
    across = np.abs(x)
    shade = 0.30 * _spot(x, y, (0.078, -0.150), (0.030, 0.022))
    shade += 0.20 * _spot(x, y, (0.125, -0.162), (0.060, 0.012))
    shade += 0.13 * _spot(x, y, (0.118, -0.095), (0.060, 0.018))
    shade += 0.80 * _spot(x, y, (0.034, 0.050), (0.015, 0.0075))
    shade += 0.35 * _spot(x, y, (0.076, 0.035), (0.008, 0.026))
    shade += 0.22 * _spot(x, y, (0.0, 0.070), (0.030, 0.010))
    shade += 0.38 * _spot(x, y, (0.097, 0.163), (0.011, 0.009))
    shade += 0.26 * _spot(x, y, (0.0, 0.216), (0.048, 0.010))
    shade += 0.10 * _spot(x, y, (0.0, 0.112), (0.010, 0.025))
    shade += 0.55 * np.exp(-(((y - 0.162) / 0.0045) ** 2)) * (1 - smooth(0.085, 0.1, across))
    return np.clip(1 - shade, 0.05, 1)


def _eyelid_lines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Darkness of the lash line along both lids and of the fold above the eye."""
    t = (np.abs(x) - 0.128) / 0.052
    bow = np.sqrt(np.clip(1 - t**2, 0, 1))
    inside = 1 - smooth(0.94, 1.06, np.abs(t))
    upper = -0.1245 - 0.0195 * bow
    lower = -0.1245 + 0.0155 * bow
    dark = np.exp(-(((y - upper) / 0.0050) ** 2)) * inside
    dark += 0.35 * np.exp(-(((y - lower) / 0.0040) ** 2)) * inside
    fold = np.exp(-(((y - upper + 0.016) / 0.0035) ** 2)) * inside * 0.45
    return np.clip(np.maximum(dark, fold), 0, 1)


@lru_cache(maxsize=2)
def paint_face(appearance: Appearance) -> np.ndarray:
    """Chart (SIDE, SIDE, 4) float32: linear RGB albedo and shine, rows over y, columns over x."""
    generator = np.random.default_rng([appearance.seed, 77])
    axis = ((np.arange(SIDE) + 0.5) / SIDE * 2 * HALF).astype(np.float32)
    x, y = np.meshgrid(axis - HALF, axis + TOP)
    across = np.abs(x)
    skin = linear(appearance.skin)
    dark_hair, _ = hair_tones(appearance)
    chart = np.ones((SIDE, SIDE, 4), np.float32)
    chart[..., :3] = skin
    front = 1 - smooth(0.24, 0.31, across)

    blood = 0.60 * _spot(x, y, (0.155, 0.02), (0.060, 0.055)) + 0.55 * _spot(
        x, y, (0.0, 0.015), (0.055, 0.05)
    )
    blood += 0.30 * _spot(x, y, (0.0, 0.27), (0.07, 0.04)) + 0.2 * _spot(
        x, y, (0.12, -0.10), (0.06, 0.02)
    )
    blood += 0.06 * _cloud(generator, 40) * front
    chart[..., :3] *= 1 - appearance.redness * blood.clip(0)[..., None] * np.array(
        [0.04, 0.34, 0.30]
    )
    mottle = 1 + front * (0.020 * _cloud(generator, 70) + 0.018 * _cloud(generator, 260))
    chart[..., :3] *= mottle[..., None]
    if appearance.freckles:
        dots = cv2.GaussianBlur(
            (generator.random(x.shape, np.float32) > 0.9975).astype(float), (0, 0), 2.4
        )
        band = _spot(x, y, (0.07, -0.01), (0.15, 0.10))
        _blend(
            chart,
            skin * [0.55, 0.42, 0.34],
            np.clip(dots * 14 * band * appearance.freckles, 0, 0.75),
        )
    chart[..., :3] *= (1 - 0.42 * np.clip(_line_shade(appearance, x, y), 0, 1))[..., None]

    upper, lower = lip_masks(x, y)
    lips = linear(appearance.lips)
    creases = 1 + 0.10 * np.tile(_cloud(generator, 110)[:1], (SIDE, 1))
    _blend(chart, (lips * 0.80) * creases[..., None], 0.90 * upper)
    _blend(chart, lips * creases[..., None], 0.88 * lower)

    beard = _beard_cover(appearance, x, y, generator) * front
    _blend(chart, dark_hair * 0.9 + 0.03 * skin, beard)
    _blend(chart, dark_hair * 0.85, _brow_cover(appearance, generator))
    _blend(
        chart, dark_hair * 0.35 + 0.05 * skin, _eyelid_lines(x, y) * (0.45 + 0.5 * appearance.lash)
    )
    chart[..., :3] *= _occlusion(x, y)[..., None] ** np.array([0.85, 1.1, 1.15])

    shine = (
        0.55
        + 0.6 * _spot(x, y, (0.0, -0.02), (0.05, 0.09))
        + 0.35 * _spot(x, y, (0.0, -0.30), (0.16, 0.07))
    )
    shine += 0.3 * _spot(x, y, (0.16, -0.05), (0.06, 0.05)) + 1.1 * lower + 0.4 * upper
    chart[..., 3] = shine * (1 - beard) * (1 + 0.25 * _cloud(generator, 300) * front).clip(0.2)
    chart.flags.writeable = False  # it is kept for the next call
    return chart
