"""Where tests find the repository, its goldens, and the material beside it."""

import os
import pathlib

ROOT = pathlib.Path(__file__).parents[2]
GOLDENS = ROOT / "tests" / "goldens"
DEMO_KEYPOINTS = ROOT / "tests" / "support" / "astronaut_keypoints.json"
"""Keypoints of the portrait that ships, in OpenPose's format, corrected by hand."""
SHARED = pathlib.Path(os.environ.get("PROHMR_SHARED", ROOT.parent / "shared"))
"""Material that is not part of the repository; tests that read it skip without it."""
