"""A photo-conditioned model, photos and labels, all of them tiny and random."""

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.models.discriminator import Discriminator
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.heads import ShapeCameraHead
from prohmr_jax.models.prohmr import POSE_FEATURES, ProHMR
from prohmr_jax.models.resnet import ResNet
from prohmr_jax.structs import (
    Box,
    ImageBatch,
    ImageTrainingBatch,
    Keypoints2D,
    Keypoints3D,
    LossTerms,
    MocapPoses,
    SmplParams,
)

# Official ones; of those that officially are 0, not, so that they are seen.
WEIGHTS = LossTerms(
    nll=1e-3,
    keypoints_2d_exp=1e-3,
    keypoints_2d_mode=1e-2,
    keypoints_3d_exp=1e-3,
    keypoints_3d_mode=5e-2,
    global_orient_exp=1e-3,
    global_orient_mode=1e-3,
    body_pose_exp=1e-3,
    body_pose_mode=1e-3,
    betas_exp=1e-3,
    betas_mode=5e-4,
    orthogonal=0.1,
    adversarial=5e-4,
)


def tiny_model(axis_name=None, dropout_rate=0.2):
    """A model with batch norms everywhere."""
    encoder = ResNet(bottleneck=True, stages=(1, 1), axis_name=axis_name, width=4)
    return ProHMR(
        encoder=encoder,
        flow=ConditionalGlow(
            features=POSE_FEATURES,
            hidden_features=16,
            context_features=encoder.features,
            num_layers=2,
            num_blocks=1,
            dropout_rate=dropout_rate,
            axis_name=axis_name,
        ),
        head=ShapeCameraHead(encoder.features, hidden_features=8),
    )


def discriminator_params():
    """The weights of a discriminator."""
    bodies = jnp.zeros((23, 3, 3)), jnp.zeros(10)
    return jax.jit(Discriminator().init)(jax.random.key(1), *bodies)["params"]


def random_smpl(rng, *batch):
    """Bodies near the rest pose."""
    rotmats = axis_angle_to_rotmat(0.3 * rng.normal(size=(*batch, 24, 3)))
    rotmats = np.asarray(rotmats, np.float32)
    betas = rng.normal(size=(*batch, 10)).astype(np.float32)
    return SmplParams.from_rotmats(rotmats, betas)


def random_images(rng, count):
    """Photos, every third of them without labelled pose, every second without shape."""
    joints = len(skeleton.JOINTS_44)
    numbers = lambda *shape: rng.normal(size=(count, *shape)).astype(np.float32)  # noqa: E731
    confidence = lambda: rng.integers(0, 2, (count, joints)).astype(np.float32)  # noqa: E731
    return ImageBatch(
        image=rng.integers(0, 256, (count, 16, 16, 3)).astype(np.uint8),
        color_scale=rng.uniform(0.8, 1.2, (count, 3)).astype(np.float32),
        keypoints_2d=Keypoints2D(0.2 * numbers(joints, 2), confidence()),
        keypoints_3d=Keypoints3D(0.5 * numbers(joints, 3), confidence()),
        smpl=random_smpl(rng, count),
        has_pose=(np.arange(count) % 3 != 1).astype(np.float32),
        has_betas=(np.arange(count) % 2).astype(np.float32),
        box=Box(numbers(2), np.ones(count, np.float32)),
        image_size=np.ones((count, 2), np.float32),
    )


def random_batch(rng, count, samples=2):
    """Photos and captured bodies."""
    captured = random_smpl(rng, count * samples)
    mocap = MocapPoses(captured.body_pose, captured.betas)
    return ImageTrainingBatch(images=random_images(rng, count), mocap=mocap)
