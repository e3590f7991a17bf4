"""Readers of motion-capture files, and their retargeting to SMPL's skeleton."""
