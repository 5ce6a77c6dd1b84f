"""What a person looks like: colours, hair, beard, clothes; plain numbers, no drawing.

The actors: who they are and how they look; a balanced cast, varied from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spfem.head.model import HeadModel
from spfem.settings import CorpusSettings
from spfem.studio.materials import Look

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


@dataclass(frozen=True, eq=False)
class Actor:
    """One synthetic person.

    Attributes:
        name: as in MEAD, M or W and three digits.
        role: `train`, `held_out` or `target`.
        female: sex.
        index: number within the sex from 0, which chooses the voice.
        age: in years.
        identity: (I,) identity coefficients of the head model.
        appearance: how they are drawn.
        seed: of this person's habits of motion.
    """

    name: str
    role: str
    female: bool
    index: int
    age: float
    identity: np.ndarray
    appearance: Appearance
    seed: int


_TONES: dict[str, tuple[Colour, ...]] = {
    "african": ((0.40, 0.26, 0.19), (0.52, 0.35, 0.26), (0.33, 0.22, 0.17)),
    "asian": ((0.86, 0.70, 0.57), (0.76, 0.58, 0.44), (0.90, 0.75, 0.63)),
    "caucasian": ((0.88, 0.70, 0.61), (0.91, 0.76, 0.68), (0.78, 0.60, 0.48)),
    "mixed": ((0.66, 0.47, 0.35), (0.72, 0.54, 0.42), (0.60, 0.42, 0.31)),
}
_HAIR: dict[str, tuple[Colour, ...]] = {
    "african": ((0.10, 0.08, 0.07), (0.13, 0.10, 0.08)),
    "asian": ((0.10, 0.09, 0.09), (0.15, 0.11, 0.09)),
    "caucasian": ((0.30, 0.20, 0.13), (0.62, 0.48, 0.30), (0.18, 0.13, 0.10), (0.50, 0.26, 0.13)),
    "mixed": ((0.14, 0.10, 0.08), (0.20, 0.14, 0.10)),
}
_IRIS: dict[str, tuple[Colour, ...]] = {
    "african": ((0.24, 0.15, 0.09),),
    "asian": ((0.26, 0.17, 0.10), (0.20, 0.13, 0.09)),
    "caucasian": ((0.36, 0.48, 0.56), (0.36, 0.42, 0.28), (0.38, 0.26, 0.15), (0.42, 0.50, 0.54)),
    "mixed": ((0.30, 0.20, 0.11), (0.36, 0.30, 0.16)),
}
_CLOTHS: tuple[Colour, ...] = (
    (0.22, 0.30, 0.42), (0.60, 0.22, 0.20), (0.86, 0.85, 0.82), (0.18, 0.18, 0.20),
    (0.30, 0.42, 0.32), (0.72, 0.60, 0.40), (0.45, 0.34, 0.50), (0.40, 0.55, 0.66),
)  # fmt: skip
_WALLS: tuple[Colour, ...] = (
    (0.55, 0.57, 0.60), (0.48, 0.55, 0.58), (0.62, 0.59, 0.54), (0.44, 0.46, 0.52),
)  # fmt: skip

_CAST = (  # sex, origin, age, hair, beard, weight, recession
    ("M", "caucasian", 34, "short", "stubble", 0.0, 0.15),
    ("W", "asian", 26, "fringe", "none", -0.2, 0.0),
    ("M", "african", 45, "shaved", "goatee", 0.3, 0.2),
    ("W", "caucasian", 58, "bob", "none", 0.2, 0.0),
    ("M", "asian", 22, "parted", "none", -0.3, 0.0),
    ("W", "african", 31, "afro", "none", 0.0, 0.0),
    ("M", "caucasian", 66, "short", "full", 0.3, 0.7),
    ("W", "mixed", 42, "curls", "none", 0.4, 0.0),
    ("M", "mixed", 29, "curly", "full", -0.1, 0.0),
    ("W", "caucasian", 24, "long", "none", -0.3, 0.0),
    ("M", "caucasian", 52, "bald", "moustache", 0.5, 0.0),
    ("W", "african", 64, "bun", "none", 0.3, 0.0),
)  # fmt: skip


def _origin_weights(origin: str) -> dict[str, float]:
    shares = {"african": 0.0, "asian": 0.0, "caucasian": 0.0}
    if origin == "mixed":
        shares = {"african": 0.4, "asian": 0.25, "caucasian": 0.35}
    else:
        shares[origin] = 1.0
    return {name: share - 1 / 3 for name, share in shares.items()}


def _identity(
    head: HeadModel, row: tuple, age: float, generator: np.random.Generator
) -> np.ndarray:
    sex, origin, _, _, _, weight, _ = row
    mean = head.identity_of(
        gender=(0.95 if sex == "M" else -0.95),
        age=float(np.clip((age - 20) / 62, 0, 0.75)) - 0.3,
        weight=weight * 0.7,
        **_origin_weights(origin),
    )
    own = generator.normal(0, 0.62, len(mean)).clip(-1.2, 1.2)
    return (0.9 * mean + own).clip(-2.2, 2.2).astype(np.float32)


def _appearance(row: tuple, age: float, number: int, generator: np.random.Generator) -> Appearance:
    sex, origin, _, hair_style, beard, _, recession = row
    female = sex == "W"

    def one_of(options: tuple) -> tuple:
        return options[int(generator.integers(len(options)))]

    skin = np.array(one_of(_TONES[origin])) * generator.uniform(0.97, 1.03)
    lips = skin * (np.array([0.93, 0.62, 0.62]) if female else np.array([0.91, 0.71, 0.69]))
    if female and generator.uniform() < 0.5:
        lips = lips * np.array([0.98, 0.80, 0.82])  # lipstick
    grey = float(np.clip((age - 44) / 26, 0, 1) * generator.uniform(0.6, 1.0))
    pale = origin in ("caucasian", "asian")

    def colour(values: np.ndarray) -> Colour:
        r, g, b = (float(value) for value in np.clip(values, 0.02, 0.97))
        return r, g, b

    return Appearance(
        skin=colour(skin),
        lips=colour(lips),
        iris=one_of(_IRIS[origin]),
        hair=one_of(_HAIR[origin]),
        grey=grey * (0.7 if female else 1.0),
        hair_style=hair_style,
        recession=recession,
        beard=beard,
        brow_thickness=float(generator.uniform(0.65, 0.9) if female else generator.uniform(1, 1.3)),
        brow_arch=float(generator.uniform(0.5, 1.0) if female else generator.uniform(0.1, 0.5)),
        lash=0.95 if female else 0.45,
        redness=float(generator.uniform(0.35, 0.9) if pale else generator.uniform(0.15, 0.4)),
        freckles=float(generator.uniform(0.5, 1.0)) if origin == "caucasian" and age < 30 else 0.0,
        lines=float(np.clip((age - 26) / 38, 0, 1)),
        oil=float(generator.uniform(0.7, 1.1) + (0.35 if origin == "african" else 0.0)),
        clothes=("plain", "collar", "stripes")[number % 3],
        cloth=_CLOTHS[number % len(_CLOTHS)],
        cloth_second=((0.9, 0.9, 0.88), (0.16, 0.17, 0.2))[number % 2],
        neckline=float(generator.uniform(0.47, 0.52)),
        wall=_WALLS[number % len(_WALLS)],
        light_from_left=bool(number % 4 != 2),
        seed=int(generator.integers(1 << 20)),
    )


def cast_actors(head: HeadModel, settings: CorpusSettings) -> tuple[Actor, ...]:
    """All actors: first those that the metrics learn from, then the targets.

    The list cycles through a balanced cast of sex, age, origin and hair; later rounds draw other
    ages, colours and shapes. The last metric actor is held out.
    """
    count = settings.metric_actors + settings.target_actors
    counters = {"M": 0, "W": 0}
    actors = []
    for number in range(count):
        generator = np.random.default_rng([settings.seed, 11, number])
        row = _CAST[number % len(_CAST)]
        if number >= len(_CAST):  # later rounds: the hair of somebody else of the same sex
            same = [other for other in _CAST if other[0] == row[0]]
            other = same[(number + number // len(_CAST)) % len(same)]
            row = (row[0], row[1], other[2], other[3], other[4], row[5], other[6])
        age = float(np.clip(row[2] + generator.normal(0, 2), 18, 70))
        if number < settings.metric_actors - 1:
            role = "train"
        else:
            role = "held_out" if number == settings.metric_actors - 1 else "target"
        counters[row[0]] += 1
        actors.append(
            Actor(
                name=f"{row[0]}{counters[row[0]]:03d}",
                role=role,
                female=row[0] == "W",
                index=counters[row[0]] - 1,
                age=age,
                identity=_identity(head, row, age, generator),
                appearance=_appearance(row, age, number, generator),
                seed=int(generator.integers(1 << 30)),
            )
        )
    return tuple(actors)
