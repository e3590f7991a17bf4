"""Products of bodies, rotations, cameras and priors have the highest precision.

On an accelerator the default precision rounds factors to bfloat16 or TF32, which moves
joints by millimetres. The CPU computes the same numbers either way, so the programs
themselves are inspected.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax import body
from prohmr_jax.fitting import objectives, smplify
from prohmr_jax.geometry import (
    boxes,
    cameras,
    extrinsics,
    forward_kinematics,
    procrustes,
    rotations,
)
from prohmr_jax.models import flow, fold_flow, prepared_flow
from prohmr_jax.models.discriminator import Discriminator
from prohmr_jax.models.heads import ShapeCameraHead
from prohmr_jax.models.keypoint_encoder import KeypointEncoder
from prohmr_jax.models.readout import Readout
from prohmr_jax.priors import gaussian_mixture, pose_flow
from prohmr_jax.solver import problem
from prohmr_jax.solver.minimise import minimise
from prohmr_jax.structs import Box, Camera, Keypoints2D, SmplParams, WeakCamera

FLOW = flow.ConditionalGlow(12, 8, 5, 2, 1, affine=True)
PRODUCTS = {"dot_general", "conv_general_dilated"}
HIGHEST = jax.lax.Precision.HIGHEST


def floats(*shape):
    return jnp.ones(shape, jnp.float32)


def keypoints(joints):
    return Keypoints2D(floats(2, joints, 2), floats(2, joints))


BOX = Box(floats(2, 2), floats(2))
WEAK = WeakCamera(floats(2), floats(2, 2))
CAMERA = Camera(floats(2, 3), floats(2, 2), floats(2, 2))
EXTRINSICS = extrinsics.Extrinsics(floats(2, 4, 3, 3), floats(2, 4, 3))
KEY = jax.random.key(0)


def with_variables(module, *arguments):
    """A function of a module's variables and inputs, and examples of them."""
    method = "forward" if isinstance(module, flow.ConditionalGlow) else "__call__"
    init = lambda: module.init(KEY, *arguments, method=method)  # noqa: E731
    variables = jax.tree.map(lambda a: np.ones(a.shape, a.dtype), jax.eval_shape(init))
    return lambda v, *inputs: module.apply(v, *inputs, method=method), variables


def programs():
    """Names, functions and example arguments."""
    rotmat = floats(2, 3, 3)
    for function, argument in (
        (rotations.axis_angle_to_rotmat, floats(2, 3)),
        (rotations.mirror_pose, floats(2, 24, 3)),
        (rotations.nearest_rotmat, rotmat),
        (rotations.normalize, floats(2, 3)),
        (rotations.pose_6d_to_rotmat, floats(2, 6)),
        (rotations.quaternion_to_rotmat, floats(2, 4)),
        (rotations.rotmat_to_axis_angle, rotmat),
        (rotations.rotmat_to_pose_6d, rotmat),
        (rotations.rotmat_to_quaternion, rotmat),
        (rotations.skew, floats(2, 3)),
        (boxes.in_box, keypoints(25)),
        (cameras.crop_camera, WEAK),
    ):
        yield function.__name__, function, (argument,)
    valid = floats(2, 4)
    for function, *arguments in (
        (rotations.geodesic_angle, rotmat, rotmat),
        (rotations.rotate, rotmat, floats(2, 3)),
        (rotations.mean_rotation, floats(2, 4, 5, 3, 3), valid),
        (extrinsics.to_world, EXTRINSICS, floats(2, 4, 3, 3)),
        (extrinsics.meeting_point, floats(2, 4, 3), EXTRINSICS, valid),
        (procrustes.align, floats(2, 5, 3), floats(2, 5, 3)),
        (cameras.project, floats(2, 5, 3), CAMERA),
        (cameras.image_camera, WEAK, BOX, floats(2, 2)),
        (cameras.photo_camera, WEAK, BOX, floats(2, 2), floats(2, 2)),
        (cameras.image_to_crop, floats(2, 5, 2), BOX),
        (
            forward_kinematics.forward_kinematics,
            floats(2, 24, 3),
            floats(2, 24, 3, 3),
        ),
        (objectives.disagreement, floats(4, 23, 3, 3), floats(4)),
        (objectives.reprojection, floats(2, 44, 3), keypoints(44), CAMERA, floats(2)),
        (smplify.backward_bending, floats(2, 23, 3, 3)),
    ):
        yield function.__name__, function, arguments
    prior = gaussian_mixture.load_pose_prior()
    yield "mixture, sample", lambda p: gaussian_mixture.sample(p, KEY, (2,)), (prior,)
    yield "mixture, log_prob", gaussian_mixture.log_prob, (prior, floats(2, 69))
    yield "pose flow, features", pose_flow.body_features, (floats(2, 24, 3),)
    for module, *inputs in (
        (FLOW, floats(2, 12), floats(2, 5)),
        (Discriminator(8), floats(2, 23, 3, 3), floats(2, 10)),
        (ShapeCameraHead(5), floats(2, 5)),
        (KeypointEncoder(5, 8), keypoints(25)),
        (Readout(), floats(2, 5)),
    ):
        function, variables = with_variables(module, *inputs)
        yield type(module).__name__, function, (variables, *inputs)
    _, variables = with_variables(FLOW, floats(2, 12), floats(2, 5))
    inverse = lambda v, *z: FLOW.apply(v, *z, method="inverse")  # noqa: E731
    yield "flow, inverse", inverse, (variables, floats(2, 12), floats(2, 5))
    folded = fold_flow.prepare_flow(FLOW, variables)
    for name in ("log_prob", "sample"):
        function = getattr(prepared_flow, name)
        yield (
            f"folded flow, {name}",
            lambda x, c, f=function: f(
                folded, x, prepared_flow.project_context(folded, c)
            ),
            (floats(2, 12), floats(2, 5)),
        )
    for memory in (None, 4):
        settings = problem.Settings(memory=memory)
        objective = lambda x, _: jnp.sum(x**4)  # noqa: E731
        solve = lambda x, s=settings, f=objective: minimise(f, x, (), s)  # noqa: E731
        yield f"minimise, memory {memory}", solve, (floats(6),)


PROGRAMS = {name: rest for name, *rest in programs()}


def products(jaxpr):
    """All products of a program, those of the programs that it calls included."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in PRODUCTS:
            yield equation
        for leaf in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
            if is_program(leaf):
                yield from products(getattr(leaf, "jaxpr", leaf))


def is_program(leaf):
    return hasattr(leaf, "eqns") or hasattr(leaf, "jaxpr")


def assert_highest(function, *arguments):
    program = jax.make_jaxpr(function)(*arguments)
    for product in products(program.jaxpr):
        assert product.params["precision"] in (HIGHEST, (HIGHEST, HIGHEST)), product


@pytest.mark.parametrize("name", PROGRAMS)
def test_products_have_the_highest_precision(name):
    function, arguments = PROGRAMS[name]
    assert_highest(function, *arguments)


def test_bodies_and_their_gradients_have_the_highest_precision(tiny_body):
    params = SmplParams.from_rotmats(floats(2, 24, 3, 3), floats(2, 10))
    assert_highest(body.body_mesh, tiny_body, params)
    total = lambda p: jnp.sum(body.body_mesh(tiny_body, p).vertices)  # noqa: E731
    assert_highest(jax.grad(total), params)


def test_a_product_of_default_precision_is_seen():
    inside = lambda x: jax.lax.map(lambda row: row @ row, x)  # noqa: E731
    with pytest.raises(AssertionError):
        assert_highest(jax.jit(inside), floats(2, 3))
