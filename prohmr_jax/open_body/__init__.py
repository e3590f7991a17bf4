"""Makes the open body, a stand-in in SMPL's layout, from MakeHuman's CC0 assets.

Only `tools/make_open_body.py` needs this package; the result ships as
`prohmr_jax/assets/open_body.npz`. NumPy, SciPy and trimesh only. In order:

  sources     reads base mesh, mirror map, blend shapes and rig from the wheel's zip
  people      draws adults and turns them into blend-shape coefficients
  rest_pose   takes the rig from MakeHuman's A-pose to SMPL's T-pose
  shape_space mean body and principal components
  surface     closed, mirror-symmetric triangles of the left half
  decimation  half-edge collapse of the left half
  kinematics  merges 163 bones into SMPL's 24 joints; linear blend skinning
  landmarks   the 21 vertices that act as joints
  regressors  sparse regressors of joints from vertices
  extra_joints where the 19 extra joints lie (Human3.6M's skeleton), their regressor
  correctives pose blend shapes that undo part of the volume loss
  build       all of it, and the file
"""
