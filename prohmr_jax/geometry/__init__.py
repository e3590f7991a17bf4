"""Geometry of bodies and pictures: rotations, cameras, boxes, Procrustes alignment.

Every function is differentiable at its singular points and takes any batch axes.
"""
