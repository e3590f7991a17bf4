"""Predictions of a track do not depend on how many frames are in memory."""

import jax
import numpy as np

from prohmr_jax.bulk_fitting import track_start
from prohmr_jax.bulk_fitting.track_start import TrackPredictor, VideoCamera
from prohmr_jax.inference.reconstruction import load_reconstructor
from prohmr_jax.tracking.person_tracks import PersonTrack
from tests.support.demo_cases import write_weights

FRAMES = 7


def test_frames_are_predicted_alike_in_blocks_of_any_size(tmp_path, monkeypatch, rng):
    shared = load_reconstructor(
        str(write_weights(tmp_path / "weights.npz")), "open", seed=0,
        num_hypotheses=3, num_meshes=0, focal_length_px=0.0,
    )  # fmt: skip
    measured = np.arange(FRAMES) != 4
    track = PersonTrack(
        3,
        np.arange(10, 10 + FRAMES),
        rng.uniform(100.0, 300.0, (FRAMES, 25, 2)).astype("f"),
        np.ones((FRAMES, 25), np.float32),
        measured,
    )
    predictor = TrackPredictor(
        shared.model, shared.body, VideoCamera((640, 480), 800.0, 10.0),
        source="a.mp4", num_hypotheses=3, seed=0, size=2,
    )  # fmt: skip
    whole = predictor(track)
    monkeypatch.setattr(track_start, "_BATCHES", 1)
    blocks = predictor(track)
    for name in ("columns", "placed", "keypoints", "context", "betas"):
        jax.tree.map(
            np.testing.assert_array_equal, getattr(whole, name), getattr(blocks, name)
        )
    assert len(whole.betas) == FRAMES
    np.testing.assert_allclose(whole.columns["time_s"], np.arange(1.0, 1.7, 0.1))
    np.testing.assert_array_equal(whole.columns["measured"], measured)
    seen = (whole.keypoints.confidence > 0).any(axis=1)
    np.testing.assert_array_equal(seen, measured)
