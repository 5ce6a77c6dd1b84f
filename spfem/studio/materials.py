"""Colour of skin, eyes, mouth, hair, cloth and wall at a surface point, as Warp functions.

Places are (x, y, z) on the mean head, and in the fourth entry the signed distance inside the
hairline. Normals point to the camera: z < 0. Colours are linear RGB.
"""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False, "fast_math": True})

CHART_HALF = wp.constant(0.48)  # head units: the chart covers x in +-CHART_HALF
CHART_TOP = wp.constant(-0.42)  # and y from here over 2 * CHART_HALF
EYE_X = wp.constant(0.1246)
EYE_Y = wp.constant(-0.1333)
EYE_Z = wp.constant(-0.3289)
EYE_RADIUS = wp.constant(0.0625)


@wp.struct
class PersonLook:
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


@wp.func
def smooth(low: float, high: float, x: float) -> float:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = wp.clamp((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def hashed(i: int, j: int, k: int) -> float:
    """A fixed random number in [0, 1) for an integer place."""
    h = wp.uint32(i * 374761393 + j * 668265263 + k * 1274126177)
    h = (h ^ (h >> wp.uint32(13))) * wp.uint32(1274126177)
    h = h ^ (h >> wp.uint32(16))
    return float(h & wp.uint32(65535)) / 65536.0


@wp.func
def noise(x: float, y: float, k: int) -> float:
    """Smooth value noise in [0, 1) over a plane; `k` chooses the plane."""
    i = int(wp.floor(x))
    j = int(wp.floor(y))
    u = x - float(i)
    v = y - float(j)
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    top = hashed(i, j, k) * (1.0 - u) + hashed(i + 1, j, k) * u
    low = hashed(i, j + 1, k) * (1.0 - u) + hashed(i + 1, j + 1, k) * u
    return top * (1.0 - v) + low * v


@wp.func
def power8(x: float) -> float:
    """Return x to the power 8, 0 for negative x."""
    y = wp.max(x, 0.0)
    y = y * y
    y = y * y
    return y * y


@wp.func
def wrapped(cosine: float, wrap: float) -> float:
    """Diffuse light that bleeds past the terminator by `wrap`."""
    return wp.max(cosine + wrap, 0.0) / (1.0 + wrap)


@wp.func
def light(
    look: PersonLook, albedo: wp.vec3, normal: wp.vec3, shine: float, sharpness: float, bleed: float
) -> wp.vec3:
    """Key, fill, rim and sky light on a surface; `bleed` lets red wrap around edges."""
    key = wp.dot(normal, look.key_light)
    fill = normal[0] * -0.62 * wp.sign(look.key_light[0]) + normal[1] * -0.05 - normal[2] * 0.78
    rim = wp.max(1.0 + normal[2], 0.0)
    sky = 0.5 - 0.5 * normal[1]
    ambient = 0.13 + 0.17 * sky
    soft = 0.12 + 0.28 * bleed
    red = 0.98 * wrapped(key, soft + bleed * 0.9) + 0.30 * wrapped(fill, 0.3) + ambient
    green = 0.95 * wrapped(key, soft + bleed * 0.2) + 0.31 * wrapped(fill, 0.3) + ambient
    blue = 0.90 * wrapped(key, soft) + 0.33 * wrapped(fill, 0.3) + ambient * 1.05
    edge = rim * rim * rim * 0.35 * (0.4 + 0.6 * sky)
    colour = wp.cw_mul(albedo, wp.vec3(red + edge, green + edge, blue + edge * 1.1))
    half = wp.normalize(look.key_light + wp.vec3(0.0, 0.0, -1.0))
    glint = wp.pow(wp.max(wp.dot(normal, half), 0.0), sharpness)
    grazing = 0.6 + 1.6 * rim * rim
    return colour + wp.vec3(1.0, 0.97, 0.93) * (shine * glint * grazing)


@wp.func
def look_up(chart: wp.array2d(dtype=wp.vec4), place: wp.vec4) -> wp.vec4:
    """Bilinear value of the chart at rest (x, y)."""
    side = float(chart.shape[0])
    x = (place[0] + CHART_HALF) / (2.0 * CHART_HALF) * side - 0.5
    y = (place[1] - CHART_TOP) / (2.0 * CHART_HALF) * side - 0.5
    x = wp.clamp(x, 0.0, side - 1.001)
    y = wp.clamp(y, 0.0, side - 1.001)
    j = int(x)
    i = int(y)
    u = x - float(j)
    v = y - float(i)
    top = chart[i, j] * (1.0 - u) + chart[i, j + 1] * u
    low = chart[i + 1, j] * (1.0 - u) + chart[i + 1, j + 1] * u
    return top * (1.0 - v) + low * v


@wp.func
def skin_colour(look: PersonLook, place: wp.vec4, normal: wp.vec3, paint: wp.vec4) -> wp.vec3:
    """Skin: painted albedo (linear RGB) and shine, shaved hair on the scalp, shadowed neck."""
    albedo = wp.vec3(paint[0], paint[1], paint[2])
    beyond = wp.max(smooth(-0.16, -0.06, place[2]), smooth(-0.34, -0.40, place[1]))
    albedo = wp.lerp(albedo, look.skin, beyond)  # where the chart is stretched or ends
    stubble = smooth(-0.012, 0.03, place[3]) * look.scalp_density
    if stubble > 0.0:
        grit = 0.75 + 0.5 * hashed(
            int(place[0] * 240.0), int(place[1] * 240.0), int(place[2] * 240.0)
        )
        albedo = wp.lerp(albedo, look.hair * grit, stubble)
    under = smooth(0.30, 0.36, place[1]) * (1.0 - 0.75 * smooth(0.40, 0.62, place[1]))
    under = under * (1.0 - smooth(0.20, 0.34, wp.abs(place[0])))
    shade = 1.0 - 0.55 * under
    ear = wp.abs(place[0])
    if ear > 0.27 and place[1] < 0.2 and place[1] > -0.25 and place[2] > -0.2:
        redder = smooth(0.28, 0.34, ear)
        albedo = wp.cw_mul(albedo, wp.vec3(1.0, 1.0 - 0.12 * redder, 1.0 - 0.12 * redder))
    shine = look.oil * paint[3]
    colour = light(look, albedo, normal, shine * 0.18, 14.0, 0.55)
    half = wp.normalize(look.key_light + wp.vec3(0.0, 0.0, -1.0))
    tight = power8(wp.dot(normal, half))
    tight = tight * tight * tight * tight * tight
    return (colour + wp.vec3(1.0, 0.98, 0.95) * (shine * 0.14 * tight)) * shade


@wp.func
def eye_colour(look: PersonLook, place: wp.vec4, normal: wp.vec3) -> wp.vec3:
    """Eyeball: white, limbal ring, fibred iris, pupil, lid shadow and a window's reflection."""
    side = wp.sign(place[0])
    x = (place[0] - side * EYE_X) / EYE_RADIUS
    y = (place[1] - EYE_Y) / EYE_RADIUS
    r = wp.sqrt(x * x + y * y)
    angle = wp.atan2(y, x)
    corner = smooth(0.45, 0.95, wp.abs(x))
    white = wp.lerp(look.eye_white, wp.vec3(0.62, 0.36, 0.32), 0.55 * corner)
    fibre = 0.75 + 0.5 * noise(angle * 7.0, r * 6.0, 3)
    ring = smooth(0.27, 0.44, r)
    iris = look.iris * (fibre * (1.25 - 0.85 * ring) * (1.0 + 0.5 * smooth(-0.3, 0.4, y)))
    iris = wp.lerp(wp.vec3(0.006, 0.005, 0.005), iris, smooth(0.15, 0.20, r))
    albedo = wp.lerp(iris, white, smooth(0.43, 0.49, r))
    lid = 0.30 + 0.70 * smooth(-0.24, 0.02, normal[1])
    facing = 0.55 + 0.45 * wp.max(wp.dot(normal, look.key_light), 0.0)
    colour = albedo * (lid * facing * 1.05)
    gx = normal[0] - 0.17 * wp.sign(look.key_light[0])
    gy = normal[1] + 0.035
    glint = 1.0 - smooth(0.055, 0.125, wp.sqrt(gx * gx + gy * gy))
    fx = normal[0] + 0.14 * wp.sign(look.key_light[0])
    fy = normal[1] - 0.18
    second = 1.0 - smooth(0.02, 0.16, wp.sqrt(fx * fx + fy * fy))
    return colour + wp.vec3(1.0, 1.0, 1.0) * (0.85 * glint + 0.07 * second)


@wp.func
def is_lash(place: wp.vec4) -> bool:
    """Whether a lash hair covers this point of the lash sheets, which stand off the lids."""
    x = wp.abs(place[0]) - EYE_X
    y = place[1] - EYE_Y
    z = place[2] - EYE_Z
    if y > -0.002:
        return False  # the lower lashes are too fine to see
    out = (wp.sqrt(x * x + y * y + z * z) - 0.066) / 0.022
    strand = noise(wp.atan2(x, -y) * 26.0, 0.5, 21)
    return strand > 0.25 + 0.75 * out


@wp.func
def mouth_colour(look: PersonLook, place: wp.vec4, normal: wp.vec3, kind: int) -> wp.vec3:
    """Inner lips, cavity, tongue, teeth and gums, darker the deeper they lie."""
    depth = 1.0 - smooth(-0.41, -0.27, place[2])
    facing = 0.5 + 0.5 * wp.max(wp.dot(normal, look.key_light), 0.0)
    if kind == 2:
        wet = wp.lerp(wp.vec3(0.30, 0.09, 0.085), look.skin, 0.18)
        inner = 1.0 - smooth(-0.425, -0.385, place[2])
        return wp.lerp(wp.vec3(0.020, 0.006, 0.006), wet * facing, inner)
    if kind == 3:
        groove = 1.0 - 0.25 * (1.0 - smooth(0.0, 0.012, wp.abs(place[0])))
        front = 1.0 - smooth(-0.38, -0.26, place[2])
        return wp.vec3(0.33, 0.105, 0.10) * (facing * groove * (0.10 + 0.75 * front))
    around = wp.atan2(place[0], -(place[2] + 0.24))
    tooth = wp.abs(wp.mod(wp.abs(around) * 5.2, 1.0) - 0.5) * 2.0
    gap = smooth(0.78, 1.0, tooth)
    gum = smooth(0.118, 0.106, place[1])
    if kind == 5:
        gum = smooth(0.190, 0.203, place[1])
    albedo = look.teeth * (1.0 - 0.45 * gap)
    albedo = wp.lerp(albedo, wp.vec3(0.36, 0.12, 0.12), gum)
    shade = (0.25 + 0.75 * depth) * (1.0 - 0.55 * smooth(0.05, 0.12, wp.abs(place[0])))
    if kind == 5:
        shade = shade * 0.72
    return albedo * (facing * shade) + wp.vec3(0.05, 0.05, 0.05) * depth * facing


@wp.func
def hairline_noise(place: wp.vec4) -> float:
    """Ragged edge of the hairline, head units."""
    azimuth = wp.atan2(place[0], -place[2])
    return 0.004 + 0.030 * noise(azimuth * 34.0, place[1] * 5.0, 31) * smooth(0.06, 0.03, place[3])


@wp.func
def hair_colour(look: PersonLook, place: wp.vec4, normal: wp.vec3) -> wp.vec3:
    """Hair: strands of two tones, a soft band of shine, dark towards the roots and the part."""
    azimuth = wp.atan2(place[0], place[2] + 0.08)
    along = place[1] * look.strand_stretch
    f = look.strand_frequency
    strand = noise(azimuth * f * 0.30 + place[0] * f * 0.55, along * f, 11)
    fine = noise(azimuth * f * 0.75 + place[0] * f * 1.2, along * f * 2.1 + place[2] * 9.0, 12)
    tone = wp.clamp(0.15 + 0.55 * strand + 0.5 * (fine - 0.35), 0.0, 1.0)
    albedo = wp.lerp(look.hair * 0.55, look.hair_light, tone)
    bent = wp.normalize(normal + wp.vec3((strand - 0.5) * 0.55, (fine - 0.5) * 0.35, 0.0))
    root = 0.72 + 0.28 * smooth(0.0, 0.07, place[3])
    line = 1.0 - 0.6 * (1.0 - smooth(0.004, 0.016, wp.abs(place[0] - look.part)))
    colour = light(look, albedo * (root * line), bent, 0.0, 8.0, 0.08)
    half = wp.normalize(look.key_light + wp.vec3(0.0, 0.0, -1.0))
    band = wp.dot(bent, half)
    shine = power8(band) * (0.3 + 1.2 * tone) * look.hair_shine
    return colour + (look.hair_light * 0.7 + wp.vec3(0.12, 0.115, 0.11)) * shine


@wp.func
def cloth_colour(look: PersonLook, place: wp.vec4) -> wp.vec4:
    """Albedo of the cloth and 1, or 0 in the last entry where the skin is bare."""
    across = wp.abs(place[0])
    rim = look.neckline - look.neckline_slope * across
    if place[2] > -0.1:
        rim = rim - 0.18 * smooth(-0.1, 0.1, place[2])
    if look.cloth_pattern == 2:
        rim = look.neckline + 0.16 * smooth(0.13, 0.0, across) - look.neckline_slope * across
    inside = place[1] - rim
    if inside < 0.0:
        return wp.vec4(0.0, 0.0, 0.0, 0.0)
    albedo = look.cloth
    if look.cloth_pattern == 1 and wp.mod(place[1] * 16.0 + 40.0, 1.0) < 0.42:
        albedo = look.cloth_second
    if look.cloth_pattern == 2 and inside < 0.07:
        albedo = look.cloth_second
    weave = 0.9 + 0.2 * noise(place[0] * 22.0, place[1] * 30.0, 5)
    seam = smooth(0.0, 0.006, inside) * (1.0 - 0.35 * smooth(0.026, 0.020, wp.abs(inside - 0.02)))
    albedo = albedo * (weave * (0.45 + 0.55 * seam))
    return wp.vec4(albedo[0], albedo[1], albedo[2], 1.0)


@wp.func
def background(look: PersonLook, x: float, y: float) -> wp.vec3:
    """Studio wall: lit behind the head, falling off to the corners."""
    dx = x - 0.5 - 0.12 * wp.sign(look.key_light[0])
    dy = y - 0.42
    fall = wp.exp(-2.4 * (dx * dx + dy * dy))
    return wp.lerp(look.wall, look.wall_light, fall)
