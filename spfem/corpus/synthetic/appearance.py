"""What a person looks like: colours, hair, beard, clothes; plain numbers, no drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spfem.corpus.synthetic.look import Look

Colour = tuple[float, float, float]

CLOTHES = ("plain", "stripes", "collar")


@dataclass(frozen=True)
class Appearance:
    """How one person is drawn. Colours are display (sRGB) RGB in [0, 1].

    Attributes:
        skin: tone of the skin.
        lips: tone of the lips, mixed with the skin.
        iris: colour of the iris.
        hair: colour of hair, brows and beard.
        grey: share of grey hair, 0 to 1.
        hair_style: short, shaved, bald, parted, long, curly, curls, afro, bun, bob or fringe.
        recession: how far the hairline stands back, 0 to 1.
        beard: none, stubble, moustache, goatee or full.
        brow_thickness: 1 is average.
        brow_arch: 0 straight, 1 arched.
        lash: darkness of lashes and lid line, 0 to 1.
        redness: of cheeks, nose and chin, 0 to 1.
        freckles: density, 0 to 1.
        lines: depth of the lines of age, 0 to 1.
        oil: strength of highlights, 1 is average.
        clothes: one of `CLOTHES`.
        cloth: colour of the cloth.
        cloth_second: colour of its stripes or collar.
        neckline: rest y of the cloth's edge below the chin, head units.
        wall: colour of the studio wall.
        light_from_left: whether the key light stands at the left of the image.
        seed: of pores, strands and grain.
    """

    skin: Colour = (0.87, 0.69, 0.60)
    lips: Colour = (0.74, 0.40, 0.38)
    iris: Colour = (0.33, 0.22, 0.13)
    hair: Colour = (0.22, 0.15, 0.10)
    grey: float = 0.0
    hair_style: str = "short"
    recession: float = 0.0
    beard: str = "none"
    brow_thickness: float = 1.0
    brow_arch: float = 0.4
    lash: float = 0.6
    redness: float = 0.5
    freckles: float = 0.0
    lines: float = 0.0
    oil: float = 1.0
    clothes: str = "plain"
    cloth: Colour = (0.25, 0.32, 0.42)
    cloth_second: Colour = (0.9, 0.9, 0.88)
    neckline: float = 0.50
    wall: Colour = (0.55, 0.57, 0.60)
    light_from_left: bool = True
    seed: int = 0


def linear(colour: Colour) -> np.ndarray:
    """Linear RGB (3,) of a display colour."""
    return np.asarray(colour, float) ** 2.2


def hair_tones(appearance: Appearance) -> tuple[np.ndarray, np.ndarray]:
    """Dark and light linear colour (3,) of the hair, greyed."""
    base = linear(appearance.hair)
    grey = linear((0.66, 0.65, 0.63))
    dark = base * (1 - appearance.grey) + 0.55 * grey * appearance.grey
    light = np.minimum(base * 2.1 + 0.012, 0.8) * (1 - appearance.grey) + grey * appearance.grey
    return dark, light


_STRANDS = {  # strand frequency, stretch along the strand, shine
    "curly": (26.0, 1.3, 0.35),
    "curls": (26.0, 1.0, 0.45),
    "afro": (42.0, 1.5, 0.12),
    "long": (34.0, 0.10, 1.0),
    "fringe": (34.0, 0.10, 1.0),
    "bob": (34.0, 0.10, 1.1),
    "bun": (30.0, 0.35, 0.9),
    "parted": (32.0, 0.30, 0.8),
}


def look_of(appearance: Appearance) -> Look:
    """The kernel's numbers for `appearance`."""
    look = Look()
    dark, bright = hair_tones(appearance)
    look.skin = linear(appearance.skin).tolist()
    look.iris = linear(appearance.iris).tolist()
    lash = 0.5 * dark + 0.35 * (1 - appearance.lash) * linear(appearance.skin)
    look.lash = lash.tolist()
    look.hair, look.hair_light = dark.tolist(), bright.tolist()
    look.cloth = linear(appearance.cloth).tolist()
    look.cloth_second = linear(appearance.cloth_second).tolist()
    look.wall = (linear(appearance.wall) * 0.45).tolist()
    look.wall_light = (linear(appearance.wall) * 1.25).tolist()
    key = np.array([-0.46 if appearance.light_from_left else 0.46, -0.50, -0.74])
    look.key_light = (key / np.linalg.norm(key)).tolist()
    look.scalp_density = {"bald": 0.0, "shaved": 0.62}.get(appearance.hair_style, 0.92)
    frequency, stretch, shine = _STRANDS.get(appearance.hair_style, (38.0, 0.5, 0.5))
    look.strand_frequency, look.strand_stretch, look.hair_shine = frequency, stretch, 0.5 * shine
    look.part = -0.075 if appearance.hair_style in ("parted", "long", "bob") else 9.0
    look.neckline, look.neckline_slope = appearance.neckline, 0.30
    look.cloth_pattern = CLOTHES.index(appearance.clothes)
    look.oil = appearance.oil
    look.teeth = linear((0.93, 0.89, 0.81)).tolist()
    look.eye_white = linear((0.90, 0.87, 0.85)).tolist()
    look.grain, look.seed = 3.0, appearance.seed
    return look
