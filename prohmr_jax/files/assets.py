"""Lists the paths of the files that ship with the package, for all their readers."""

import pathlib

ASSETS = pathlib.Path(__file__).parents[1] / "assets"
OPEN_BODY_FILE = ASSETS / "open_body.npz"
POSE_PRIOR = ASSETS / "pose_prior.npz"
POSE_FLOW = ASSETS / "pose_flow.npz"
KEYPOINT_WEIGHTS = ASSETS / "prohmr_keypoints.npz"
"""Weights of the probabilistic model that is conditioned on 2D keypoints."""
REGRESSION_WEIGHTS = ASSETS / "regression_keypoints.npz"
"""Weights of the deterministic regressor that the keypoint model is compared with."""
IMAGE_ENCODER = ASSETS / "resnet18_people.npz"
"""Weights of a ResNet-18 from which the training of an image model starts."""
DEMO_PHOTO = ASSETS / "demo" / "astronaut.jpg"
DEMO_KEYPOINTS = ASSETS / "demo" / "astronaut_keypoints.json"
