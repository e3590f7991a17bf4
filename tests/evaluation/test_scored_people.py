"""People of datasets as models of photos and of keypoints see them, and who counts."""

import dataclasses

import numpy as np
import pytest

from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.evaluation.hypothesis_errors import JointErrors
from prohmr_jax.evaluation.scored_people import (
    NobodyScored,
    dataset_people,
    dataset_views,
    score_people,
)
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.skeleton import BODY_25, EVAL_H36M_14, JOINTS_44, PELVIS_44
from prohmr_jax.structs import Crop
from tests.support.datasets_case import make_record, write_people

BODY = list(BODY_25.positions_in(JOINTS_44))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Five people, of whom two are views of one, one is not seen, one lacks a joint."""
    records = [
        dataclasses.replace(make_record(n), person="two" if n < 2 else "")
        for n in range(5)
    ]
    records[3].keypoints_2d[BODY, 2] = 0.0
    records[4].keypoints_3d[PELVIS_44, 3] = 0.0
    directory = write_people(tmp_path_factory.mktemp("scored"), records)
    return Source(str(directory), "train", 1.0)


def test_models_of_photos_see_crops_and_the_others_keypoints(source):
    photos = ModelSpec(encoder="resnet18", input_size=16)
    (people, actions), _ = dataset_people(source, photos, 3)
    assert isinstance(people.encoder_input, Crop)
    assert people.encoder_input.image.shape == (3, 16, 16, 3)
    assert people.encoder_input.box.size == pytest.approx([make_record(0).box_size] * 3)
    assert actions == ["action0", "action1", "action2"]
    (people, _), _ = dataset_people(source, ModelSpec(), 3)
    assert people.encoder_input.xy.shape == (3, 25, 2)
    np.testing.assert_array_equal(people.encoder_input.xy, people.keypoints.xy[:, BODY])
    ((people, actions),) = dataset_views(source, photos, 3)
    assert (people.num_views, len(actions)) == (2, 2)
    assert people.encoder_input.image.shape == (6, 16, 16, 3)


def row_numbers(people, keys, first):
    """Errors that are the numbers of the rows."""
    numbers = first + np.arange(len(keys), dtype=np.float32)
    return {"number": JointErrors(numbers, 10.0 * numbers)}


def test_who_lacks_something_is_left_out_and_counted(source):
    def score(spec, num_people=None):
        people = dataset_people(source, spec, 2, num_people)
        return score_people("data", people, EVAL_H36M_14, row_numbers, 0)

    scored = score(ModelSpec())
    assert scored.errors["number"].pa_mpjpe.tolist() == [0, 1, 2]
    assert scored.errors["number"].mpjpe.tolist() == [0, 10, 20]
    assert scored.person.tolist() == [0, 1, 2]
    assert (scored.num_read, scored.left_out) == (
        5,
        "1 lack the 3D label of pelvis_mpii, 1 have no 2D keypoint of BODY_25 to see",
    )
    scored = score(ModelSpec(encoder="resnet18", input_size=16))
    assert scored.errors["number"].pa_mpjpe.tolist() == [0, 1, 2, 3]
    views = dataset_views(source, ModelSpec(), 1)
    scored = score_people("data", views, EVAL_H36M_14, row_numbers, 0)
    assert scored.person.tolist() == [0, 0]


def test_nobody_to_score_is_said_with_the_causes(source):
    last = [
        (people, actions)
        for people, actions in dataset_people(source, ModelSpec(), 1)
        if people.truth.confidence[0, PELVIS_44] == 0
    ]
    said = "data: none of 1 people can be scored on EVAL_H36M_14: 1 lack the 3D label"
    with pytest.raises(NobodyScored, match=said):
        score_people("data", last, EVAL_H36M_14, row_numbers, 0)
    with pytest.raises(NobodyScored, match="data: there is nobody"):
        score_people("data", [], EVAL_H36M_14, row_numbers, 0)
