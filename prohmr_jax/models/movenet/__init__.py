"""MoveNet: networks that find people's keypoints in photographs."""
