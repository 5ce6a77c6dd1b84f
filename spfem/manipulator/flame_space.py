"""The expression space of FLAME as DECA codes it."""

from __future__ import annotations

from spfem.manipulator.model import ExpressionSpace

FLAME_EXPRESSIONS = 50

FLAME_SPACE = ExpressionSpace(
    ("jaw_opening", *(f"expression_{number:02}" for number in range(FLAME_EXPRESSIONS)))
)
"""51 unbounded coefficients: rotation of the jaw about x in radians, then DECA's expression.

Source: NED, which feeds `[pose[3], exp[0..49]]` to its manipulator.
"""
