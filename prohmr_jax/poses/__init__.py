"""Builds banks of body poses to train on, from captured clips and procedural poses."""
