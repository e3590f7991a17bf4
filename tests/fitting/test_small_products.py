"""No step of a solver has what is slow on an accelerator.

A batched product of matrices that contracts over a few numbers takes many times as long
there as the same sum written out, and a callback waits for the host.
"""

import math

import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import jaxprs_in_params

from prohmr_jax.benchmarks.fitting_people import random_people
from prohmr_jax.body import body_joints, body_mesh
from prohmr_jax.fitting.keypoints import keypoint_problem
from prohmr_jax.fitting.multiview_fusion import fusion_problem
from prohmr_jax.fitting.multiview_joint import bind_joint, joint_problem
from prohmr_jax.fitting.objectives import (
    FittingModel,
    bind_keypoints,
    bind_multiview,
)
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.models.fold_flow import prepare_flow
from prohmr_jax.structs import SmplParams
from tests.support.fitting_cases import FLOW, flow_weights

FEW = 4
PEOPLE = 3


def faults(function, *arguments):
    """Names small batched products and callbacks in the program of a function."""

    def visit(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                (contracted, _), (batch, _) = equation.params["dimension_numbers"]
                shape = equation.invars[0].aval.shape
                size = math.prod(shape[axis] for axis in contracted)
                if batch and size <= FEW:
                    yield f"a batched product over {size} numbers of {shape}"
            if "callback" in equation.primitive.name:
                yield equation.primitive.name
            for inner in jaxprs_in_params(equation.params):
                yield from visit(inner)

    return list(visit(jax.make_jaxpr(function)(*arguments).jaxpr))


def gradients(objective):
    return jax.vmap(jax.value_and_grad(objective))


@pytest.fixture(scope="module")
def model(tiny_body):
    return FittingModel(prepare_flow(FLOW, flow_weights()), tiny_body)


@pytest.fixture(scope="module")
def people(model):
    return random_people(model, PEOPLE, FLOW.context_features, seed=0)


@pytest.fixture(scope="module")
def views(people):
    return jax.tree.map(lambda a: a[None], people)


def test_a_small_product_and_a_callback_are_seen():
    def step(a):
        jax.debug.callback(lambda: None)
        return jax.lax.scan(lambda c, _: (c @ a, None), a, None, 2)[0]

    products, callback = sorted(faults(jax.vmap(step), jnp.ones((5, 3, 3))))
    assert "over 3 numbers" in products
    assert "callback" in callback
    assert faults(jnp.matmul, jnp.ones((7, 3)), jnp.ones((3, 5))) == []


def test_bodies(tiny_body):
    turns = jnp.broadcast_to(jnp.eye(3), (PEOPLE, 24, 3, 3))
    smpl = SmplParams(turns[:, 0], turns[:, 1:], jnp.zeros((PEOPLE, 10)))
    for compute in (body_joints, body_mesh):
        total = lambda p, f=compute: jnp.sum(f(tiny_body, p).joints)  # noqa: E731
        assert faults(jax.value_and_grad(total), smpl) == []


def test_fits_to_keypoints(model, people):
    start, data = keypoint_problem(model, people.context, people.betas, people.view)
    assert faults(gradients(bind_keypoints(model)), start, data) == []


@pytest.mark.parametrize("known", [False, True])
def test_joint_fits_of_views(model, views, known):
    turns = jnp.broadcast_to(jnp.eye(3), (1, PEOPLE, 3, 3))
    cameras = Extrinsics(turns, jnp.zeros((1, PEOPLE, 3))) if known else None
    start, data = joint_problem(
        model, views.context, views.betas, views.view, None, cameras
    )
    assert faults(gradients(bind_joint(model)), start, data) == []


def test_fusion(model, views):
    start, data, _ = fusion_problem(
        model, views.context, views.betas, jnp.ones((1, PEOPLE))
    )
    assert faults(gradients(bind_multiview(model.flow)), start, data) == []
