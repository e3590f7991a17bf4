"""Where the files that ship with the package lie; every reader of them asks here."""

import pathlib

ASSETS = pathlib.Path(__file__).parents[1] / "assets"
OPEN_BODY_FILE = ASSETS / "open_body.npz"
POSE_PRIOR = ASSETS / "pose_prior.npz"
POSE_FLOW = ASSETS / "pose_flow.npz"
KEYPOINT_WEIGHTS = ASSETS / "prohmr_keypoints.npz"
REGRESSION_WEIGHTS = ASSETS / "regression_keypoints.npz"
"""The deterministic twin of the keypoint model."""
IMAGE_ENCODER = ASSETS / "resnet18_people.npz"
"""A ResNet-18 from which the training of an image model starts."""
DEMO_PHOTO = ASSETS / "demo" / "astronaut.jpg"
DEMO_KEYPOINTS = ASSETS / "demo" / "astronaut_keypoints.json"
