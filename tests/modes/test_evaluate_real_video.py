"""Tracks of a filmed person are measured end to end, in one camera after another."""

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.modes.evaluate_real_video import run
from tests.support.demo_cases import write_weights
from tests.support.fit_cases import config_of
from tests.support.footage_cases import NAMES, write_detections, write_footage
from tests.support.view_scenes import bodies

NUMBER = 10
METHODS = ["mean pose", "modes of single frames"]


@pytest.mark.slow
@pytest.mark.parametrize("single", [False, True])
def test_the_report(tmp_path, single):
    write_footage(tmp_path / "room", number=NUMBER)
    world = bodies()[3] + 0.01 * np.arange(NUMBER)[:, None, None] * [1.0, 0.0, 0.0]
    write_detections(
        tmp_path / "out" / "detections", tmp_path / "room", range(NUMBER), world
    )
    config = config_of(
        "evaluate_real_video",
        checkpoint=str(write_weights(tmp_path / "weights.npz")),
        input=str(tmp_path / "room"), output=str(tmp_path / "out"), frame_step=1,
        single_frames=single, max_steps=2, window=8, overlap=2,
    )  # fmt: skip
    errors = run(config)
    fits = [name for name in errors if name not in METHODS]
    assert list(errors)[:2] == METHODS
    assert [name.split(",")[0] for name in fits] == [
        *(["fits of single frames"] if single else []), "track",
    ]  # fmt: skip
    text = (tmp_path / "out" / "report_tracks.md").read_text()
    for name in NAMES:
        assert f"{name} {NUMBER} of {NUMBER}" in text
    for of_method in errors.values():
        assert len(of_method) == len(NAMES)
        assert all(np.isfinite(e.pa_mpjpe_mm) for e in of_method)
    # The mean pose does not move, and neither does the person.
    assert max(e.acceleration_error_mm for e in errors["mean pose"]) < 0.1
    assert min(e.pa_mpjpe_mm for e in errors["mean pose"]) > 10.0


def test_settings_that_measure_nothing():
    for key, message in (("data_weights", "is empty"), ("foot_velocities", "is empty")):
        with pytest.raises(InputError, match=f"config.{key}: {message}"):
            run(config_of("evaluate_real_video", **{key: ()}))
    with pytest.raises(InputError, match="config.window: 4 is less than 8"):
        run(config_of("evaluate_real_video", window=4))
