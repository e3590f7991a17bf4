"""Body poses to train on: captured clips, their widening, and banks of poses."""
