"""Bodies in the layout of the official files, which cannot be shipped.

Nothing here is a test; the tests of body files share it.
"""

import numpy as np

from prohmr_jax.skeleton import SMPL_PARENTS
from tests.support.files_pickling import Ch, MatVecMult, OldCsc, Select, compressed

OFFICIAL_NAMES = [
    "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl",
    "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl",
    "basicmodel_m_lbs_10_207_0_v1.1.0.pkl",
    "basicmodel_f_lbs_10_207_0_v1.1.0.pkl",
    "SMPL_NEUTRAL.pkl",
    "SMPL_MALE.pkl",
    "SMPL_FEMALE.pkl",
]


def a_body(num_vertices: int, num_betas: int = 10, num_faces: int = 8) -> dict:
    """Fields in the layout and types of the official files, random content."""
    rng = np.random.default_rng(0)
    weights = rng.random((num_vertices, 24)) ** 8
    regressor = np.zeros((24, num_vertices))
    for row in regressor:
        row[rng.choice(num_vertices, 6, replace=False)] = 1 / 6
    parents = np.array(SMPL_PARENTS).astype(np.uint32)  # the root's is 4294967295
    assert parents[0] == 4294967295
    return {
        "v_template": rng.normal(size=(num_vertices, 3)),
        "shapedirs": rng.normal(size=(num_vertices, 3, num_betas)),
        "posedirs": rng.normal(size=(num_vertices, 3, 207)),
        "weights": weights / weights.sum(1, keepdims=True),
        "J_regressor": regressor,
        "kintree_table": np.array([parents, np.arange(24, dtype=np.uint32)]),
        "f": rng.integers(0, num_vertices, (num_faces, 3)).astype(np.uint32),
    }


def small(**changes) -> dict:
    """A body of 30 vertices, which therefore has to bring its landmarks."""
    rng = np.random.default_rng(1)
    added = {
        "landmark_vertices": np.arange(21),
        "J_regressor_extra": rng.normal(size=(19, 30)),
    }
    fields = {**a_body(30), **added, **changes}
    return {name: value for name, value in fields.items() if value is not None}


def official(fields: dict) -> dict:
    """The same with what the official pickles have around the arrays."""
    shape = fields["shapedirs"].shape
    places = np.arange(np.prod(shape)).reshape(shape)
    return {
        **fields,
        "v_template": Ch(x=fields["v_template"], _itr=None),
        "shapedirs": Select(
            a=Ch(x=fields["shapedirs"]), idxs=places.ravel(), preferred_shape=shape
        ),
        "J_regressor": compressed(fields["J_regressor"], OldCsc),
        "J": MatVecMult(mtx=compressed(fields["J_regressor"], OldCsc), vec=Ch(x=0.0)),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
        "vert_sym_idxs": np.arange(3),
    }
