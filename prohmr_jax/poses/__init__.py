"""Body poses to train on: captured clips, their widening, banks and the prior."""
