"""The actors: who they are and how they look, in plain numbers; a balanced cast from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spfem.head.model import HeadModel
from spfem.settings import CorpusSettings

RGB = tuple[float, float, float]

CLOTHES = ("plain", "stripes", "collar")


@dataclass(frozen=True)
class Appearance:
    """How one person is drawn. Colours are display (sRGB) RGB in [0, 1]."""

    skin: RGB = (0.87, 0.69, 0.60)  # tone of the skin
    lips: RGB = (0.74, 0.40, 0.38)  # tone of the lips, mixed with the skin
    iris: RGB = (0.33, 0.22, 0.13)  # colour of the iris
    hair: RGB = (0.22, 0.15, 0.10)  # colour of hair, brows and beard
    grey: float = 0.0  # share of grey hair, 0 to 1
    # short, shaved, bald, parted, long, curly, curls, afro, bun, bob or fringe
    hair_style: str = "short"
    recession: float = 0.0  # how far the hairline stands back, 0 to 1
    beard: str = "none"  # none, stubble, moustache, goatee or full
    brow_thickness: float = 1.0  # 1 is average
    brow_arch: float = 0.4  # 0 straight, 1 arched
    lash: float = 0.6  # darkness of lashes and lid line, 0 to 1
    redness: float = 0.5  # of cheeks, nose and chin, 0 to 1
    freckles: float = 0.0  # density, 0 to 1
    lines: float = 0.0  # depth of the lines of age, 0 to 1
    oil: float = 1.0  # strength of highlights, 1 is average
    clothes: str = "plain"  # one of `CLOTHES`
    cloth: RGB = (0.25, 0.32, 0.42)  # colour of the cloth
    cloth_second: RGB = (0.9, 0.9, 0.88)  # colour of its stripes or collar
    neckline: float = 0.50  # rest y of the cloth's edge below the chin, head units
    wall: RGB = (0.55, 0.57, 0.60)  # colour of the studio wall
    light_from_left: bool = True  # whether the key light stands at the left of the image
    seed: int = 0  # of pores, strands and grain


def smooth(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`, elementwise."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def linear(colour: RGB) -> np.ndarray:
    """Linear RGB (3,) of a display colour."""
    return np.asarray(colour, float) ** 2.2


def hair_tones(appearance: Appearance) -> tuple[np.ndarray, np.ndarray]:
    """Dark and light linear colour (3,) of the hair, greyed."""
    base = linear(appearance.hair)
    grey = linear((0.66, 0.65, 0.63))
    dark = base * (1 - appearance.grey) + 0.55 * grey * appearance.grey
    light = np.minimum(base * 2.1 + 0.012, 0.8) * (1 - appearance.grey) + grey * appearance.grey
    return dark, light


@dataclass(frozen=True, eq=False)
class Actor:
    """One synthetic person."""

    name: str  # as in MEAD, M or W and three digits
    role: str  # `train`, `held_out` or `target`
    female: bool  # sex
    index: int  # number within the sex from 0, which chooses the voice
    age: float  # in years
    identity: np.ndarray  # (I,) identity coefficients of the head model
    appearance: Appearance  # how they are drawn
    seed: int  # of this person's habits of motion


_TONES: dict[str, tuple[RGB, ...]] = {
    "african": ((0.40, 0.26, 0.19), (0.52, 0.35, 0.26), (0.33, 0.22, 0.17)),
    "asian": ((0.86, 0.70, 0.57), (0.76, 0.58, 0.44), (0.90, 0.75, 0.63)),
    "caucasian": ((0.88, 0.70, 0.61), (0.91, 0.76, 0.68), (0.78, 0.60, 0.48)),
    "mixed": ((0.66, 0.47, 0.35), (0.72, 0.54, 0.42), (0.60, 0.42, 0.31)),
}
_HAIR: dict[str, tuple[RGB, ...]] = {
    "african": ((0.10, 0.08, 0.07), (0.13, 0.10, 0.08)),
    "asian": ((0.10, 0.09, 0.09), (0.15, 0.11, 0.09)),
    "caucasian": ((0.30, 0.20, 0.13), (0.62, 0.48, 0.30), (0.18, 0.13, 0.10), (0.50, 0.26, 0.13)),
    "mixed": ((0.14, 0.10, 0.08), (0.20, 0.14, 0.10)),
}
_IRIS: dict[str, tuple[RGB, ...]] = {
    "african": ((0.24, 0.15, 0.09),),
    "asian": ((0.26, 0.17, 0.10), (0.20, 0.13, 0.09)),
    "caucasian": ((0.36, 0.48, 0.56), (0.36, 0.42, 0.28), (0.38, 0.26, 0.15), (0.42, 0.50, 0.54)),
    "mixed": ((0.30, 0.20, 0.11), (0.36, 0.30, 0.16)),
}
_CLOTHS: tuple[RGB, ...] = (
    (0.22, 0.30, 0.42), (0.60, 0.22, 0.20), (0.86, 0.85, 0.82), (0.18, 0.18, 0.20),
    (0.30, 0.42, 0.32), (0.72, 0.60, 0.40), (0.45, 0.34, 0.50), (0.40, 0.55, 0.66),
)  # fmt: skip
_WALLS: tuple[RGB, ...] = (
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


def _identity(
    head: HeadModel, row: tuple, age: float, generator: np.random.Generator
) -> np.ndarray:
    sex, origin, _, _, _, weight, _ = row
    shares = {"african": 0.4, "asian": 0.25, "caucasian": 0.35}  # of the mixed
    if origin != "mixed":
        shares = {name: float(name == origin) for name in shares}
    mean = head.identity_of(
        gender=(0.95 if sex == "M" else -0.95),
        age=float(np.clip((age - 20) / 62, 0, 0.75)) - 0.3,
        weight=weight * 0.7,
        **{name: share - 1 / 3 for name, share in shares.items()},
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

    def colour(values: np.ndarray) -> RGB:
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
