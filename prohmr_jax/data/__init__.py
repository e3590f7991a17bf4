"""Detections, images and motion capture, read into structs."""
