"""Defines MoveNet, networks that find the keypoints of people in photographs."""
