"""Frame rates from time stamps, and the slots of a constant rate that frames are shown in.

Stamps are the only clock that every format has: headers of browsers' recordings give no rate or a
wrong one, and stamps in milliseconds jitter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import median

STANDARD_RATES = tuple(
    Fraction(rate)
    for rate in (
        "24000/1001", "24", "25", "30000/1001", "30", "48", "50", "60000/1001", "60", "90", "100",
        "120000/1001", "120", "12", "12.5", "15", "10", "8", "5", "200", "240",
    )
)  # fmt: skip
REGULAR = (Fraction(1, 2), Fraction(3, 2))  # of the median step: neither doubled nor a hole
HEADER_AGREES = 0.005  # share by which a header may differ from the stamps and still be right
COUNTED_SHARE = 0.3  # of the steps that are one frame of the header's rate
EXACT = 1e-4  # share by which rounding may move a rate; 30 and 29.97 are ten times as far apart
FASTEST = 1000  # frames per second; more is a clock in milliseconds, not a rate
HOLE = 0.75  # of a frame later than the next slot: a frame is missing, and not merely late


def frame_rate(stamps: Sequence[Fraction], header: Fraction | None = None) -> Fraction | None:
    """The rate that the stamps of a clip's frames mean.

    It is that of the median step. Where all steps are equal this is exact. Else the steps near
    the median are averaged, and the header's rate, or a standard one that the jitter allows, is
    taken. A header that many steps obey to the letter is right where frames were dropped.

    Args:
        stamps: seconds at which frames are shown, ascending.
        header: what the file says, if it does.

    Returns:
        Frames per second; None where neither stamps nor header tell.

    Example:
        >>> frame_rate([Fraction(t, 1000) for t in (0, 33, 67, 100, 133, 167, 200)])
        Fraction(30, 1)
    """
    steps = [after - before for before, after in pairwise(stamps)]
    steps = [step for step in steps if step > 0]
    said = _snap(header) if header and 0 < header <= FASTEST else None
    if not steps:
        return said
    counted = [step for step in steps if said and abs(step * said - 1) <= HEADER_AGREES]
    if said and len(counted) >= COUNTED_SHARE * len(steps):
        return said  # a counter of frames, of which some were dropped
    middle = median(steps)
    regular = [step for step in steps if REGULAR[0] * middle <= step <= REGULAR[1] * middle]
    span = sum(regular, Fraction(0))
    found = len(regular) / span
    if found > FASTEST:
        return said
    if min(regular) == max(regular):
        return _snap(found)
    if said and abs(said / found - 1) <= HEADER_AGREES:
        return said
    jitter = max(abs(step - middle) for step in regular)
    unsure = max(EXACT, 2 * float(jitter / span))
    near = [rate for rate in STANDARD_RATES if abs(rate / found - 1) <= unsure]
    if near:  # cameras of browsers count whole frames a second
        return min(near, key=lambda rate: (rate.denominator > 1, abs(rate / found - 1)))
    return found.limit_denominator(1001)


def _snap(rate: Fraction) -> Fraction:
    """The standard rate that a rate means which is rounded, else the rate."""
    nearest = min(STANDARD_RATES, key=lambda one: abs(one / rate - 1))
    return nearest if abs(nearest / rate - 1) <= EXACT else rate


def frame_slots(times: Iterable[Fraction], fps: Fraction) -> Iterator[int]:
    """For each frame the first slot of a constant rate in which it is shown.

    The first frame's time is slot 0. A frame is shown in the slot after the one before it, however
    its stamp jitters; only a hole of about a whole frame leaves slots to the frame before, and a
    frame a whole slot early takes the place of the one before. So no frame comes or goes by
    jitter, and none is shown a whole frame off its time.

    Args:
        times: seconds, ascending.
        fps: of the slots.

    Example:
        >>> list(frame_slots([Fraction(t, 100) for t in (0, 5, 9, 16, 30)], Fraction(20)))
        [0, 1, 2, 3, 6]
    """
    start, slot = Fraction(0), -1
    for time in times:
        if slot < 0:
            start, slot = time, 0
        else:
            late = (time - start) * fps - (slot + 1)
            if late > HOLE:
                slot += 1 + round(late)
            elif late > -1:
                slot += 1
        yield slot
