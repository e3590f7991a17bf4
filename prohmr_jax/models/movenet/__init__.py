"""This package holds MoveNet, networks that find keypoints of people in photos."""
