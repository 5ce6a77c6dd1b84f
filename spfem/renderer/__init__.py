"""Neural renderer: condition images to a photo-real face, blended back into the frame.

Only torch and numpy are imported here; `blend` imports OpenCV where it is used.
"""
