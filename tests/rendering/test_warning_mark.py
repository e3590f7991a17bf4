"""Marks of implausible bodies: seen on any picture, and inside its edges."""

import numpy as np
import pytest

from prohmr_jax.rendering.colors import WARNING
from prohmr_jax.rendering.warning_mark import mark_with_warning

GREY = np.full((300, 400, 3), 90, np.uint8)


def share_of(picture, color) -> float:
    return np.mean(np.all(picture == color, axis=-1))


def test_a_frame_and_words_are_drawn_on_a_copy():
    marked = mark_with_warning(GREY, "implausible: x")
    assert marked.shape == GREY.shape
    assert marked.dtype == np.uint8
    assert np.all(GREY == 90)
    for edge in (marked[0], marked[-1], marked[:, 0], marked[:, -1]):
        assert np.all(edge == WARNING)
    # Letters are smoothed: few of their pixels are wholly white.
    assert np.mean(marked[:30, 10:-10, 1] > 180) > 0.005
    np.testing.assert_array_equal(marked[40:-10, 10:-10], GREY[40:-10, 10:-10])


@pytest.mark.parametrize("size", [(16, 16), (16, 400), (400, 16), (64, 64)])
def test_any_size_of_picture_and_any_text_are_possible(size):
    picture = np.full((*size, 3), 90, np.uint8)
    marked = mark_with_warning(picture, "implausible: " + "many words " * 100)
    assert marked.shape == picture.shape
    assert share_of(marked, WARNING) > 0.05


def test_words_that_do_not_fit_are_left_out():
    long = mark_with_warning(GREY, "implausible: the body is tall; " * 20)
    longer = mark_with_warning(GREY, "implausible: the body is tall; " * 40)
    np.testing.assert_array_equal(long, longer)
