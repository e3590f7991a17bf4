"""MoveNet's networks find the keypoints of people in photographs."""
