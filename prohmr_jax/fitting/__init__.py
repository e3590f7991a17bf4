"""Fits bodies to images with the learned distribution as a prior, and by baselines.

`objectives` holds the objectives (Eqs. 11 and 12) and their weights. `keypoints` fits
latent, shape and camera of one image to detected keypoints, `multiview_fusion` makes
the body poses of several uncalibrated images of one person agree, and
`multiview_joint` does both at once, with known or unknown cameras. The baselines are
`smplify` (Eq. 10, with a prior that sees no image) and `eft` (a network fine-tuned to
one image).
"""
