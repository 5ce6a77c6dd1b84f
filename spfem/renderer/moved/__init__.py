"""A renderer that moves the source's own pixels (backward warping along the fitted mesh).

Every visible place of the edited mesh knows where it lies in the source frame, and takes its
colour from there. `picture` draws a batch of faces, `field` finds the displacement, `inside` and
`donors` the inside of mouth and eyes, `fill` continues what is known smoothly. Only torch and
numpy are imported; who draws hands a rasteriser in, so that recorded rasters work as well.
"""

from spfem.renderer.moved.donors import Choice, Donors
from spfem.renderer.moved.picture import MovedRenderer, Surface
from spfem.renderer.moved.view import OpeningBox

__all__ = ["Choice", "Donors", "MovedRenderer", "OpeningBox", "Surface"]
