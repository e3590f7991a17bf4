"""A body's hash names its content: not the file, and every array counts."""

import dataclasses

import numpy as np
import pytest

from prohmr_jax.files.body_files import BodyArrays, read_body_arrays, write_body
from prohmr_jax.files.body_hash import BodyIdentity, body_hash, read_identified_body
from tests.support.files_bodies import official, small
from tests.support.files_pickling import ERAS


def counted_body() -> BodyArrays:
    """A body of 7 vertices whose arrays count up from numbers of their own."""
    shapes = {
        "v_template": (7, 3), "shapedirs": (7, 3, 2), "posedirs": (7, 3, 207),
        "weights": (7, 24), "joint_regressor": (24, 7), "faces": (4, 3),
        "landmark_vertices": (21,), "extra_regressor": (19, 7),
    }  # fmt: skip
    integers = ("faces", "landmark_vertices")
    return BodyArrays(
        **{
            name: (np.arange(np.prod(shape)).reshape(shape) + start).astype(
                np.int32 if name in integers else np.float32
            )
            for start, (name, shape) in enumerate(shapes.items())
        }
    )


def test_the_hash_of_a_body_never_changes():
    """Files of weights hold hashes, so that another format would orphan them."""
    assert body_hash(counted_body()) == "1e8e5f9631791e8e"


@pytest.mark.parametrize("era", ERAS)
def test_a_pickle_and_the_archive_converted_from_it_agree(era, tmp_path):
    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(ERAS[era](official(small())))
    from_pickle = read_body_arrays(tmp_path / "SMPL_NEUTRAL.pkl")
    write_body(tmp_path / "converted.npz", from_pickle)
    np.savez(tmp_path / "double.npz", **small())
    hashes = {
        body_hash(from_pickle),
        body_hash(read_body_arrays(tmp_path / "converted.npz")),
        body_hash(read_body_arrays(tmp_path / "double.npz")),
    }
    assert len(hashes) == 1


def test_memory_order_type_and_the_sign_of_zero_do_not_count():
    body = counted_body()
    rearranged = BodyArrays(
        **{name: np.asfortranarray(a).astype(">f8") for name, a in vars(body).items()}
    )
    assert body_hash(rearranged) == body_hash(body)
    rearranged.v_template[0, 0] = -0.0
    assert body_hash(rearranged) == body_hash(body)


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(BodyArrays)])
def test_every_array_counts_to_the_last_bit_and_with_its_shape(name):
    body = counted_body()
    changed = getattr(body, name).copy()
    last = changed.reshape(-1)[-1:]
    last[:] = np.nextafter(last, np.inf) if changed.dtype.kind == "f" else last + 1
    flat = getattr(body, name).reshape(-1, 1)
    for other in (changed, flat):
        assert body_hash(dataclasses.replace(body, **{name: other})) != body_hash(body)


def test_two_arrays_that_change_places_change_the_hash():
    body = counted_body()
    swapped = dataclasses.replace(
        body, weights=body.joint_regressor, joint_regressor=body.weights
    )
    assert body_hash(swapped) != body_hash(body)


def test_a_body_is_identified_by_its_content_and_named_by_its_file(tmp_path):
    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(
        next(iter(ERAS.values()))(official(small()))
    )
    arrays = read_body_arrays(tmp_path)
    model, identity = read_identified_body(tmp_path)
    num_vertices = len(arrays.v_template)
    assert identity == BodyIdentity("SMPL_NEUTRAL.pkl", body_hash(arrays), num_vertices)
    assert model.num_vertices == num_vertices
    assert read_identified_body()[1].name == "open"


@pytest.mark.parametrize(
    ("hashes", "vertices", "other"),
    [
        (("a", "a"), (5, 5), False),
        (("a", "b"), (5, 5), True),
        (("", "b"), (5, 5), False),
        (("", "b"), (5, 6), True),
    ],
)
def test_bodies_are_told_apart_where_that_is_certain(hashes, vertices, other):
    first, second = (
        BodyIdentity("x", *pair) for pair in zip(hashes, vertices, strict=True)
    )
    assert first.is_other_than(second) == second.is_other_than(first) == other
