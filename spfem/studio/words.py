"""What the actors say, and eSpeak NG through ctypes, which speaks it: the same bytes every time.

The sentences are short ones of our own, rich in different mouth shapes.
"""

from __future__ import annotations

import _ctypes
import ctypes
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spfem.errors import AssetError, SettingsError
from spfem.settings import EMOTIONS

# constants of espeak-ng/speak_lib.h
_SYNCHRONOUS = 2
_PHONEME_EVENTS = 0x0001
_DO_NOT_EXIT = 0x8000
_UTF8_SSML = 0x01 | 0x10
_RATE, _PITCH, _PITCH_RANGE = 1, 3, 4
_END, _PHONEME = 0, 7

_lock = threading.Lock()


class _Identity(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("message", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("identity", _Identity),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class RawSpeech(NamedTuple):
    """What eSpeak returns for one text."""

    samples: np.ndarray  # int16 (A,)
    sample_rate: int  # in hertz
    phonemes: tuple[tuple[str, int], ...]  # (mnemonic, first sample); pauses begin with `_`


def espeak_paths() -> tuple[str, str]:
    """Paths of eSpeak's library and of its data.

    Raises:
        AssetError: if the package that ships them is missing.
    """
    try:
        import espeakng_loader
    except ImportError:
        raise AssetError("espeakng-loader is not installed; pip install espeakng-loader") from None
    return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()


def synthesise(markup: str, voice: str, *, rate: int, pitch: int, pitch_range: int) -> RawSpeech:
    """Speak SSML `markup` with an eSpeak voice such as `en-us+f3`.

    eSpeak keeps oscillator state from one utterance to the next, which no call resets, so the
    library is loaded anew for each utterance (7 ms); and it seeds the noise of breath with
    the time, so it is seeded again: the result depends on the arguments only.

    Args:
        markup: text, may hold SSML `break` and `prosody` elements.
        voice: eSpeak voice, with its variant.
        rate: words a minute, 80 to 450.
        pitch: 0 to 100.
        pitch_range: 0 (monotone) to 100.

    Raises:
        AssetError: if the library, its data or the voice are missing.
    """
    library_path, data_path = espeak_paths()
    blocks: list[np.ndarray] = []
    phonemes: list[tuple[str, int]] = []

    def receive(wave: ctypes._Pointer, count: int, events: ctypes._Pointer) -> int:
        index = 0
        while (event := events[index]).type != _END:
            if event.type == _PHONEME:
                phonemes.append((event.identity.string.decode(), event.sample))
            index += 1
        if count > 0:
            blocks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    with _lock:
        library = ctypes.CDLL(library_path)
        try:
            for folder in (str(Path(data_path).parent), data_path):
                sample_rate = library.espeak_Initialize(
                    _SYNCHRONOUS, 0, folder.encode(), _PHONEME_EVENTS | _DO_NOT_EXIT
                )
                if sample_rate > 0:
                    break
            else:
                raise AssetError(f"eSpeak finds no data in {data_path}; install espeakng-loader")
            callback = _Callback(receive)
            library.espeak_SetSynthCallback(callback)
            if library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise AssetError(f"eSpeak has no voice {voice!r}")
            for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_PITCH_RANGE, pitch_range)):
                library.espeak_SetParameter(parameter, value, 0)
            text = markup.encode()
            library.espeak_ng_SetRandSeed(ctypes.c_long(1))
            library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8_SSML, None, None)
            library.espeak_Terminate()
        finally:
            _ctypes.dlclose(library._handle)
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    return RawSpeech(samples, sample_rate, tuple(phonemes))


SHARED: tuple[str, ...] = (
    "Maybe we saw a blue boat.",
    "Five warm apples fell over.",
    "Show my mother the map.",
)
"""Said in every emotion (numbers 001 to 003)."""

OWN: dict[str, tuple[str, ...]] = {
    "neutral": (
        "The bus may stop above.", "We put five books away.", "Both rooms have a piano.",
        "A farmer moved the bees.", "My boots are by the sofa.", "Paper bags hold the beans.",
        "The movie was about bears.", "Open the map for Oliver.",
    ),
    "angry": (
        "Move your car off my path.", "Why would Bob eat my pie?", "You broke my favourite mug.",
        "Stop banging my front wall.", "Give me back the phone.", "Nobody ever pays for me.",
        "Put both of them away.", "You have spoiled my party.",
    ),
    "disgusted": (
        "The soup smells of mould.", "Such dirty water is bad.", "Wash my bowl before lunch.",
        "One fly fell into the jam.", "They have rubbed mud above.", "That shop sells bad meat.",
        "My shoe has a wet bubble.", "Old beer by the warm sofa.",
    ),
    "fear": (
        "Somebody moved above me.", "What was by the window?", "Our boat may fall apart.",
        "Please open up the door.", "The wolf was very close.", "Every lamp went off at four.",
        "We may both be lost now.", "Something bumped my foot.",
    ),
    "happy": (
        "My baby saw five puppies.", "Bob gave us both a boat.", "What a lovely warm beach.",
        "We won the whole prize.", "Mum will be home by four.", "Come over for my birthday.",
        "The show was beautiful.", "Our band played all week.",
    ),
    "sad": (
        "My father moved away.", "Nobody came for supper.", "The old piano fell apart.",
        "We lost our map above.", "Her boat was far below.", "I miss my baby brother.",
        "Everybody went home.", "The roses above me fade.",
    ),
    "surprised": (
        "Wow you both came by boat.", "My apple was full of gold.", "Whose voice was above me?",
        "Five whales swam by the bay.", "You bought the whole shop?", "That puppy broke my box.",
        "Could Bob become famous?", "My sofa was full of snow.",
    ),
}  # fmt: skip
"""Said in one emotion only (numbers 004 onwards)."""


class Sentence(NamedTuple):
    """One sentence of one emotion."""

    number: str  # of the clip, three digits
    key: str  # equal keys are the same words
    text: str  # the words


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
