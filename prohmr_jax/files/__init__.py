"""Reads and writes files: images, detections, bodies, weights, meshes, NPZ archives.

Everything here runs on the host with NumPy; nothing is traced by JAX.
"""
