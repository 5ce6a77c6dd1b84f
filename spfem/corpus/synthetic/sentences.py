"""What the actors say: short sentences of our own, rich in different mouth shapes."""

from __future__ import annotations

from dataclasses import dataclass

from spfem.errors import SettingsError
from spfem.settings import EMOTIONS

SHARED: tuple[str, ...] = (
    "Maybe we saw a blue boat.",
    "Five warm apples fell over.",
    "Show my mother the map.",
)
"""Said in every emotion (numbers 001 to 003)."""

OWN: dict[str, tuple[str, ...]] = {
    "neutral": (
        "The bus may stop above.",
        "We put five books away.",
        "Both rooms have a piano.",
        "A farmer moved the bees.",
        "My boots are by the sofa.",
        "Paper bags hold the beans.",
        "The movie was about bears.",
        "Open the map for Oliver.",
    ),
    "angry": (
        "Move your car off my path.",
        "Why would Bob eat my pie?",
        "You broke my favourite mug.",
        "Stop banging my front wall.",
        "Give me back the phone.",
        "Nobody ever pays for me.",
        "Put both of them away.",
        "You have spoiled my party.",
    ),
    "disgusted": (
        "The soup smells of mould.",
        "Such dirty water is bad.",
        "Wash my bowl before lunch.",
        "One fly fell into the jam.",
        "They have rubbed mud above.",
        "That shop sells bad meat.",
        "My shoe has a wet bubble.",
        "Old beer by the warm sofa.",
    ),
    "fear": (
        "Somebody moved above me.",
        "What was by the window?",
        "Our boat may fall apart.",
        "Please open up the door.",
        "The wolf was very close.",
        "Every lamp went off at four.",
        "We may both be lost now.",
        "Something bumped my foot.",
    ),
    "happy": (
        "My baby saw five puppies.",
        "Bob gave us both a boat.",
        "What a lovely warm beach.",
        "We won the whole prize.",
        "Mum will be home by four.",
        "Come over for my birthday.",
        "The show was beautiful.",
        "Our band played all week.",
    ),
    "sad": (
        "My father moved away.",
        "Nobody came for supper.",
        "The old piano fell apart.",
        "We lost our map above.",
        "Her boat was far below.",
        "I miss my baby brother.",
        "Everybody went home.",
        "The roses above me fade.",
    ),
    "surprised": (
        "Wow you both came by boat.",
        "My apple was full of gold.",
        "Whose voice was above me?",
        "Five whales swam by the bay.",
        "You bought the whole shop?",
        "That puppy broke my box.",
        "Could Bob become famous?",
        "My sofa was full of snow.",
    ),
}
"""Said in one emotion only (numbers 004 onwards)."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of one emotion.

    Attributes:
        number: of the clip, three digits.
        key: equal keys are the same words.
        text: the words.
    """

    number: str
    key: str
    text: str


def sentences_of(emotion: str, *, shared: int = 3, own: int = 0) -> tuple[Sentence, ...]:
    """Return the first `shared` shared and the first `own` own sentences of an emotion.

    Raises:
        SettingsError: if there are not that many, or the emotion is unknown.
    """
    if emotion not in EMOTIONS:
        raise SettingsError(f"emotion {emotion!r} is unknown; choose one of {', '.join(EMOTIONS)}")
    for name, wanted, there in (("shared", shared, SHARED), ("own", own, OWN[emotion])):
        if not 0 <= wanted <= len(there):
            raise SettingsError(f"{name}_sentences is {wanted}; choose 0 to {len(there)}")
    common = [
        Sentence(f"{index + 1:03d}", f"shared_{index + 1}", SHARED[index])
        for index in range(shared)
    ]
    special = [
        Sentence(f"{len(SHARED) + index + 1:03d}", f"{emotion}_{index + 1}", OWN[emotion][index])
        for index in range(own)
    ]
    return tuple(common + special)
