"""What travels between the rooms: frozen pytree dataclasses, nothing else.

Axes: B images, K hypotheses, J joints, V vertices, S shape coefficients; `*b` any
leading batch axes. Frames: *body* (metres, Y up, facing +Z, left = +X), *camera*
(metres, x right, y down, z forward), *image* (pixels, x right, y down, (0, 0) the
centre of the first pixel), *crop* (units of the box side, box centre at 0, so that
the box is [-0.5, 0.5]).
"""

from flax import struct
from jaxtyping import Array, Bool, Float, UInt8


@struct.dataclass
class SmplParams:
    """Pose and shape of the body; `global_orient` turns body frame to camera frame."""

    global_orient: Float[Array, "*b 3 3"]
    """Rotation matrix of the root joint."""
    body_pose: Float[Array, "*b 23 3 3"]
    """Rotation matrices of the other kinematic joints, relative to their parents."""
    betas: Float[Array, "*b S"]
    """Coefficients of the shape directions, about N(0, 1)."""


@struct.dataclass
class Keypoints2D:
    """Detected or projected 2D joints; the frame (image or crop) is the owner's."""

    xy: Float[Array, "*b J 2"]
    confidence: Float[Array, "*b J"]
    """In [0, 1]; 0 means not seen, and the position then means nothing."""


@struct.dataclass
class Keypoints3D:
    """Labelled 3D joints, metres, camera axes, any origin."""

    xyz: Float[Array, "*b J 3"]
    confidence: Float[Array, "*b J"]


@struct.dataclass
class Box:
    """A square window around a person."""

    center: Float[Array, "*b 2"]
    """(x, y), image pixels."""
    size: Float[Array, "*b"]
    """Side, image pixels."""


@struct.dataclass
class Crop:
    """What an image model looks at, cut out of a photo."""

    image: UInt8[Array, "*b H W 3"]
    """RGB; the box resampled to the network's input, 0 outside the photo."""
    box: Box
    """In the photo."""


@struct.dataclass
class WeakCamera:
    """The camera that the network predicts: weak perspective in the crop."""

    scale: Float[Array, "*b"]
    """Crop half-sides per metre: at 1, two metres fill the box."""
    xy: Float[Array, "*b 2"]
    """Translation of the body in the camera frame, metres."""


@struct.dataclass
class Camera:
    """A pinhole camera that looks at a body placed at `translation`."""

    translation: Float[Array, "*b 3"]
    """Of the body, metres, camera frame."""
    focal_length: Float[Array, "*b 2"]
    """Pixels (image) or box sides (crop)."""
    center: Float[Array, "*b 2"]
    """Principal point, pixels (image) or box sides (crop)."""


@struct.dataclass
class Body:
    """A posed body; metres, in the frame that `global_orient` turned it to."""

    joints: Float[Array, "*b 44 3"]
    """BODY_25, then EXTRA_19."""
    kinematic_joints: Float[Array, "*b 24 3"]
    vertices: Float[Array, "*b V 3"] | None = None
    """None where only joints were asked for."""


@struct.dataclass
class Hypotheses:
    """Bodies drawn from the distribution; index 0 of K is the mode, z = 0."""

    z: Float[Array, "*b K D"]
    pose_6d: Float[Array, "*b K 24 6"]
    """First and second column of each rotation matrix."""
    log_prob: Float[Array, "*b K"]
    """Natural log-density of `pose_6d`."""
    smpl: SmplParams
    """Leading axes [*b, K]."""
    camera: WeakCamera
    """Leading axes [*b]: one for all hypotheses of an image."""


@struct.dataclass
class LiftingBatch:
    """Input and labels of the keypoint-conditioned model."""

    keypoints: Keypoints2D
    """What a detector would give: BODY_25, crop frame, with noise and gaps."""
    target_2d: Float[Array, "B 44 2"]
    """True projection, crop frame."""
    target_3d: Float[Array, "B 44 3"]
    """True joints, metres, camera axes, relative to the pelvis (MPII)."""
    smpl: SmplParams
    visible: Bool[Array, "B 25"]
    """Which joints of BODY_25 were given to the network."""
    box: Box


@struct.dataclass
class ImageBatch:
    """Crops of people, and what is labelled of them."""

    image: UInt8[Array, "*b H W 3"]
    """RGB, the box resampled to the network's input; 0 outside the photo."""
    color_scale: Float[Array, "*b 3"]
    """Factor of each channel (augmentation), applied before clipping to [0, 255]."""
    keypoints_2d: Keypoints2D
    """JOINTS_44, crop frame."""
    keypoints_3d: Keypoints3D
    """JOINTS_44."""
    smpl: SmplParams
    """Finite also where nothing is labelled."""
    has_pose: Float[Array, "*b"]
    """1 where rotations are labelled, else 0."""
    has_betas: Float[Array, "*b"]
    box: Box
    image_size: Float[Array, "*b 2"]
    """(width, height) of the photo, pixels."""


@struct.dataclass
class MocapPoses:
    """Real poses and shapes, for the discriminator; `*b` rows."""

    body_pose: Float[Array, "*b 23 3 3"]
    betas: Float[Array, "*b S"]


@struct.dataclass
class ImageTrainingBatch:
    """What one step of training on images reads."""

    images: ImageBatch
    """Leading axis B."""
    mocap: MocapPoses
    """Leading axis B * samples per image."""


@struct.dataclass
class LossTerms:
    """Every term of Eq. 9 as a scalar, unweighted; also used for its weights.

    `*_mode` supervises the mode (Eq. 8), `*_exp` the expectation over samples (Eq. 7).
    """

    nll: Float[Array, ""] = 0.0
    keypoints_2d_exp: Float[Array, ""] = 0.0
    keypoints_2d_mode: Float[Array, ""] = 0.0
    keypoints_3d_exp: Float[Array, ""] = 0.0
    keypoints_3d_mode: Float[Array, ""] = 0.0
    global_orient_exp: Float[Array, ""] = 0.0
    global_orient_mode: Float[Array, ""] = 0.0
    body_pose_exp: Float[Array, ""] = 0.0
    body_pose_mode: Float[Array, ""] = 0.0
    betas_exp: Float[Array, ""] = 0.0
    betas_mode: Float[Array, ""] = 0.0
    orthogonal: Float[Array, ""] = 0.0
    """Of the expectation and of the mode, added."""
    adversarial: Float[Array, ""] = 0.0
    """How far the bodies are from deceiving the discriminator."""
    readout: Float[Array, ""] = 0.0
    """Of linear readings of the context; not of the paper."""
