"""Settings that a bulk fit does not use are said."""

import logging

import pytest

from prohmr_jax.modes.bulk_config import require_usable
from tests.support.fit_cases import config_of


@pytest.mark.parametrize("name", ["fit", "multiview"])
@pytest.mark.parametrize(
    ("frame", "focal_length", "is_said"),
    [("crop", 900.0, True), ("crop", 0.0, False), ("image", 900.0, False)],
)
def test_a_focal_length_that_is_not_used(caplog, name, frame, focal_length, is_said):
    config = config_of(name, input="x", frame=frame, focal_length_px=focal_length)
    with caplog.at_level(logging.WARNING):
        require_usable(config, "a file", {}, {})
    messages = [record.getMessage() for record in caplog.records]
    expected = "config.focal_length_px=900 is not used: with config.frame=crop"
    assert len(messages) == is_said
    assert all(message.startswith(expected) for message in messages)
