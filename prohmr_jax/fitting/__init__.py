"""Fitting with the learned distribution as a prior, and what it is compared with.

`objectives` holds what is minimised (Eqs. 11 and 12) and the reference's weights,
`keypoints` fits one image's latent, shape and camera to detected keypoints,
`multiview` makes several uncalibrated images of one person agree on a body pose,
`joint_views` does both at once, with known cameras or unknown ones. The baselines are
`smplify` (Eq. 10, with a prior that sees no image) and `eft` (a network tuned to one
image).
"""
