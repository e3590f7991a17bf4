"""Draws bodies without OpenGL: ray casting, overlays and sheets.

The demo, bulk fitting, training reports and synthetic photos draw with it. All of it is
NumPy on the host, in the camera frame (metres, x right, y down, z forward) and the
image frame (pixels; (0, 0) is the centre of the first pixel). Pictures are `[H, W, 3]`
uint8 RGB, or RGBA where they are layers to be composed.
"""
