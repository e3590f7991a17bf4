"""MoveNet is a family of networks that find people's keypoints in photographs."""
