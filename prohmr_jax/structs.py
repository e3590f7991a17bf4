"""Defines the data types that functions of different packages hand to each other.

They are frozen pytree dataclasses, and nearly every module reads or returns some.

Axes: B images, K hypotheses, J joints, V vertices, S shape coefficients, D latent
dimensions, H and W rows and columns of an image; `*b` stands for any leading batch
axes.

Frames:
  body: metres, Y up, facing +Z, left is +X.
  camera: metres, x right, y down, z forward.
  image: pixels, x right, y down; (0, 0) is the centre of the first pixel.
  crop: units of the box side, with 0 at the box centre; the box is [-0.5, 0.5].
"""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, UInt8


@struct.dataclass
class SmplParams:
    """Holds the pose and the shape of a body in SMPL's parametrisation."""

    global_orient: Float[Array, "*b 3 3"]
    """Rotation matrix of the root joint, which turns the body frame to the frame that
    the body is placed in (the camera frame unless the owner says otherwise)."""
    body_pose: Float[Array, "*b 23 3 3"]
    """Rotation matrices of the other kinematic joints, relative to their parents."""
    betas: Float[Array, "*b S"]
    """Coefficients of the shape directions; each is about N(0, 1) over people."""

    @property
    def rotmats(self) -> Float[Array, "*b 24 3 3"]:
        """Returns all rotation matrices in the order of SMPL_24, the root first."""
        root = self.global_orient[..., None, :, :]
        return jnp.concatenate([root, self.body_pose], axis=-3)

    @classmethod
    def from_rotmats(
        cls, rotmats: Float[Array, "*b 24 3 3"], betas: Float[Array, "*b S"]
    ) -> "SmplParams":
        """Returns the parameters of rotation matrices in the order of SMPL_24.

        Args:
          rotmats: rotations relative to the parents; the first one is the root's.
          betas: shape coefficients.
        """
        return cls(rotmats[..., 0, :, :], rotmats[..., 1:, :, :], betas)


@struct.dataclass
class Keypoints2D:
    """Holds detected or projected 2D joints.

    Whoever owns the keypoints says which joints they are and in which frame (image or
    crop).
    """

    xy: Float[Array, "*b J 2"]
    """Positions, in the unit of the owner's frame."""
    confidence: Float[Array, "*b J"]
    """Confidence in [0, 1]; at 0 the joint was not seen and its position is
    meaningless."""


@struct.dataclass
class Keypoints3D:
    """Holds labelled 3D joints."""

    xyz: Float[Array, "*b J 3"]
    """Positions, metres, along the axes of the camera frame, with any origin."""
    confidence: Float[Array, "*b J"]
    """Weight in [0, 1]; at 0 the joint is not labelled and its position is
    meaningless."""


@struct.dataclass
class Box:
    """Describes a square window around a person."""

    center: Float[Array, "*b 2"]
    """Centre (x, y), image pixels."""
    size: Float[Array, "*b"]
    """Side length, image pixels."""


@struct.dataclass
class Crop:
    """Holds the part of a photo that is shown to an image network."""

    image: UInt8[Array, "*b H W 3"]
    """RGB levels of the box, resampled to the network's input size; 0 where the box
    reaches beyond the photo."""
    box: Box
    """Part of the photo that the crop shows, image pixels."""


@struct.dataclass
class WeakCamera:
    """Describes the weak-perspective camera of a crop, which the network predicts."""

    scale: Float[Array, "*b"]
    """Half-sides of the crop per metre: at 1, two metres fill the box."""
    xy: Float[Array, "*b 2"]
    """Translation of the body along x and y of the camera frame, metres."""


@struct.dataclass
class Camera:
    """Describes a pinhole camera and where the body stands in front of it."""

    translation: Float[Array, "*b 3"]
    """Translation of the body in the camera frame, metres."""
    focal_length: Float[Array, "*b 2"]
    """Focal lengths (x, y), in pixels (image frame) or box sides (crop frame)."""
    center: Float[Array, "*b 2"]
    """Principal point (x, y), in the same unit."""


@struct.dataclass
class Body:
    """Holds a posed body in the frame that `SmplParams.global_orient` turns it to."""

    joints: Float[Array, "*b 44 3"]
    """Joints in the order of JOINTS_44 (BODY_25, then EXTRA_19), metres."""
    kinematic_joints: Float[Array, "*b 24 3"]
    """Joints in the order of SMPL_24, metres."""
    vertices: Float[Array, "*b V 3"] | None = None
    """Vertices of the mesh, metres; None where only joints were computed."""


@struct.dataclass
class Hypotheses:
    """Holds K bodies per image from the predicted distribution.

    Index 0 of K is the mode (z = 0); the others are random samples.
    """

    z: Float[Array, "*b K D"]
    """Latent vectors of the flow."""
    pose_6d: Float[Array, "*b K 24 6"]
    """First and second column of each rotation matrix before it is made orthonormal."""
    log_prob: Float[Array, "*b K"]
    """Natural logarithm of the density at `pose_6d`, nats."""
    smpl: SmplParams
    """Pose and shape of each hypothesis, leading axes [*b, K]."""
    camera: WeakCamera
    """Camera of the crop, leading axes [*b]: the hypotheses of an image share it."""


@struct.dataclass
class SkeletonHypotheses:
    """Holds K skeletons per input from the distribution that a lifter predicts.

    Index 0 of K is the mode (z = 0); the others are random samples.
    """

    z: Float[Array, "*b K D"]
    """Latent vectors of the flow."""
    joints: Float[Array, "*b K J 3"]
    """Joints, metres, camera axes, relative to the pelvis, which is none of them."""
    log_prob: Float[Array, "*b K"]
    """Natural logarithm of the density at `joints`, nats."""


@struct.dataclass
class LiftingBatch:
    """Holds the input and the labels of the keypoint-conditioned model."""

    keypoints: Keypoints2D
    """Simulated detections with noise and missing joints: BODY_25, crop frame."""
    target_2d: Float[Array, "B 44 2"]
    """True projections of JOINTS_44, crop frame."""
    target_3d: Float[Array, "B 44 3"]
    """True JOINTS_44, metres, camera axes, relative to the joint `pelvis_mpii`."""
    smpl: SmplParams
    """True pose and shape, body frame to camera frame."""
    visible: Bool[Array, "B 25"]
    """Whether each joint of BODY_25 was given to the network."""
    box: Box
    """Box of the simulated detections, image pixels."""


@struct.dataclass
class ImageBatch:
    """Holds crops of people and their labels."""

    image: UInt8[Array, "*b H W 3"]
    """RGB levels of the box, resampled to the network's input size; 0 where the box
    reaches beyond the photo."""
    color_scale: Float[Array, "*b 3"]
    """Augmentation factor of each colour channel, which multiplies the levels before
    they are clipped to [0, 255]."""
    keypoints_2d: Keypoints2D
    """Labelled JOINTS_44, crop frame."""
    keypoints_3d: Keypoints3D
    """Labelled JOINTS_44."""
    smpl: SmplParams
    """Labelled pose and shape; finite numbers also where there is no label."""
    has_pose: Float[Array, "*b"]
    """1 where rotations are labelled, else 0."""
    has_betas: Float[Array, "*b"]
    """1 where the shape is labelled, else 0."""
    box: Box
    """Part of the photo that the crop shows, image pixels."""
    image_size: Float[Array, "*b 2"]
    """Width and height of the photo, pixels."""


@struct.dataclass
class MocapPoses:
    """Holds real poses and shapes, with which the discriminator is trained."""

    body_pose: Float[Array, "*b 23 3 3"]
    """Rotation matrices relative to the parents."""
    betas: Float[Array, "*b S"]
    """Shape coefficients."""


@struct.dataclass
class ImageTrainingBatch:
    """Holds everything that one training step of the image model reads."""

    images: ImageBatch
    """Labelled crops, leading axis B."""
    mocap: MocapPoses
    """Real bodies, leading axis B times the number of samples per image."""


@struct.dataclass
class PictureFeatures:
    """Holds what a network of pictures computes around one person, or several.

    The network is MoveNet thunder, on the square around the person's keypoints.
    """

    pooled: Float[Array, "*b 1280"]
    """Mean of the last feature map over the square."""
    at_joints: Float[Array, "*b 17 168"]
    """Feature map at stride 16, read at the joints of COCO_17."""


@struct.dataclass
class LossTerms:
    """Holds the unweighted terms of the training objective (Eq. 9) as scalars.

    The same class holds the weights of the terms. Names that end in `_mode` supervise
    the mode (Eq. 8), those that end in `_exp` the expectation over samples (Eq. 7).
    """

    nll: Float[Array, ""] = 0.0
    """Negative log-likelihood of the labelled pose, nats."""
    keypoints_2d_exp: Float[Array, ""] = 0.0
    """L1 distance of projected joints, samples, crop units."""
    keypoints_2d_mode: Float[Array, ""] = 0.0
    """L1 distance of projected joints, mode, crop units."""
    keypoints_3d_exp: Float[Array, ""] = 0.0
    """L1 distance of pelvis-relative joints, samples, metres."""
    keypoints_3d_mode: Float[Array, ""] = 0.0
    """L1 distance of pelvis-relative joints, mode, metres."""
    global_orient_exp: Float[Array, ""] = 0.0
    """Squared error of the root's rotation matrix, samples."""
    global_orient_mode: Float[Array, ""] = 0.0
    """Squared error of the root's rotation matrix, mode."""
    body_pose_exp: Float[Array, ""] = 0.0
    """Squared error of the body's rotation matrices, samples."""
    body_pose_mode: Float[Array, ""] = 0.0
    """Squared error of the body's rotation matrices, mode."""
    betas_exp: Float[Array, ""] = 0.0
    """Squared error of the shape coefficients, samples."""
    betas_mode: Float[Array, ""] = 0.0
    """Squared error of the shape coefficients, mode."""
    orthogonal: Float[Array, ""] = 0.0
    """Deviation of the predicted 6D columns from orthonormal ones, the means over the
    samples and over the modes added."""
    adversarial: Float[Array, ""] = 0.0
    """Generator loss: how far the discriminator's scores of predicted bodies are from
    those of real bodies."""
    energy_3d: Float[Array, ""] = 0.0
    """Energy score of the drawn joints relative to the pelvis, metres, summed over
    joints; this term is not in the paper."""
    energy_2d: Float[Array, ""] = 0.0
    """Energy score of the drawn projections, crop units, summed over joints; this term
    is not in the paper."""
    readout: Float[Array, ""] = 0.0
    """Error of joints and rotations that a linear layer reads off the context; this
    term is not in the paper."""
