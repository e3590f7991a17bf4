"""Tracking follows people through the frames of a video by their joints."""
