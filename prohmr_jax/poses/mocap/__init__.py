"""Reads motion-capture files and retargets them to SMPL's skeleton."""
