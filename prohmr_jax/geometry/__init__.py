"""Computes the geometry of bodies and images for all other packages.

It holds rotations, forward kinematics, cameras, boxes and Procrustes alignment. Every
function takes any leading batch axes and has finite gradients at its singular points.
"""
