"""Seeds of random numbers that several numbers decide."""

from __future__ import annotations

import numpy as np


def mix_seed(*numbers: int) -> int:
    """One seed, below 2**32, of several numbers from 0, such as the training's seed and the step.

    `torch.Generator.manual_seed` on the CPU reads the lower 32 bits of a seed only, so that
    numbers must be mixed into them, not put above them.

    Example:
        >>> mix_seed(0, 1) == mix_seed(1, 0)
        False
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
