"""The numbers by which the kernels draw one person."""

from __future__ import annotations

import warp as wp


@wp.struct
class Look:
    """Colours are linear RGB; lengths are head units; see `Appearance` for their meaning."""

    skin: wp.vec3
    iris: wp.vec3
    lash: wp.vec3
    hair: wp.vec3
    hair_light: wp.vec3
    cloth: wp.vec3
    cloth_second: wp.vec3
    wall: wp.vec3
    wall_light: wp.vec3
    key_light: wp.vec3  # unit vector towards the key light
    scalp_density: float  # of hair stubble on the scalp, 0 to 1
    hair_shine: float
    strand_frequency: float
    strand_stretch: float  # 1 curls, small values long strands
    part: float  # x of the parting, beyond 1 for none
    neckline: float  # rest y of the cloth's edge in the middle
    neckline_slope: float
    cloth_pattern: int  # 0 plain, 1 stripes, 2 open collar
    oil: float  # strength of the skin's highlights
    teeth: wp.vec3
    eye_white: wp.vec3
    grain: float  # of the camera, in 8-bit steps
    seed: int
