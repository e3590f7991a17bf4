"""Geometry of bodies and images, which all other packages use.

It holds rotations, forward kinematics, cameras, boxes and Procrustes alignment. Every
function takes any leading batch axes and has finite gradients at its singular points.
"""
