"""Pictures of bodies without OpenGL: ray casting, overlays, sheets.

Everything here is NumPy on the host, in the camera frame (metres, x right, y down,
z forward) and the image frame (pixels, (0, 0) the centre of the first pixel).
Pictures are `[H, W, 3]` uint8 RGB, or RGBA where they are still to be composed.
"""
