"""Defines joint names, joint sets, their order, mirror images and conversions.

This is the only module in which joints have numbers. All others ask by name:

  BODY_25.index("left_knee"), JOINTS_44.mirror, BODY_25.positions_in(JOINTS_44)

The body model has `SMPL_24` (its kinematic joints), `LANDMARKS_21` (vertices that act
as joints) and `EXTRA_19` (joints regressed from the mesh, as LSP, MPII and Human3.6M
annotate them). The networks predict `JOINTS_44`, which are `BODY_25` (OpenPose) and
EXTRA_19. Detectors write BODY_25, `COCO_17`, `HALPE_26` and others. Other sets name the
joints of dataset files, and those on which errors are measured.
"""

import dataclasses
import functools


@dataclasses.dataclass(frozen=True)
class JointSet:
    """Describes an ordered set of joints with unique names.

    The names of joints in pairs start with `left_` and `right_`. Every method raises
    KeyError if it is asked for a joint that the set lacks.
    """

    label: str
    """Name of the set, for error messages."""
    names: tuple[str, ...]
    """Names of the joints, in order."""

    def __post_init__(self):
        """Raises ValueError if two joints have the same name."""
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"{self.label} names a joint twice")

    def __len__(self) -> int:
        """Returns the number of joints."""
        return len(self.names)

    def index(self, name: str) -> int:
        """Returns the position of a joint."""
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(f"{self.label} has no joint {name!r}") from None

    def indices(self, *names: str) -> tuple[int, ...]:
        """Returns the positions of several joints, in the order of the arguments."""
        return tuple(self.index(name) for name in names)

    def positions_in(self, other: "JointSet") -> tuple[int, ...]:
        """Returns the position in `other` of each joint of this set."""
        return other.indices(*self.names)

    @functools.cached_property
    def mirror(self) -> tuple[int, ...]:
        """Returns the permutation that swaps left and right.

        The mirrored joints are `joints[mirror]`.
        """
        return self.indices(*(mirror_name(name) for name in self.names))


def mirror_name(name: str) -> str:
    """Returns the name of the joint on the other side of the body.

    Joints without a side are their own mirror images.
    """
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


SMPL_24 = JointSet(
    "SMPL_24",
    (
        "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee",
        "spine2", "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot",
        "neck", "left_collar", "right_collar", "head", "left_shoulder",
        "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
        "left_hand", "right_hand",
    ),
)  # fmt: skip

_SMPL_PARENT_NAMES = {
    "left_hip": "pelvis", "right_hip": "pelvis", "spine1": "pelvis",
    "left_knee": "left_hip", "right_knee": "right_hip", "spine2": "spine1",
    "left_ankle": "left_knee", "right_ankle": "right_knee", "spine3": "spine2",
    "left_foot": "left_ankle", "right_foot": "right_ankle", "neck": "spine3",
    "left_collar": "spine3", "right_collar": "spine3", "head": "neck",
    "left_shoulder": "left_collar", "right_shoulder": "right_collar",
    "left_elbow": "left_shoulder", "right_elbow": "right_shoulder",
    "left_wrist": "left_elbow", "right_wrist": "right_elbow",
    "left_hand": "left_wrist", "right_hand": "right_wrist",
}  # fmt: skip

# Parent of each kinematic joint; -1 for the root. Parents come before children.
SMPL_PARENTS = tuple(
    SMPL_24.index(_SMPL_PARENT_NAMES[n]) if n in _SMPL_PARENT_NAMES else -1
    for n in SMPL_24.names
)
SMPL_MIRROR = SMPL_24.mirror


def _levels(parents: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Returns the joints at each distance from the root, the root's level first."""
    depth: list[int] = []
    for parent in parents:
        depth.append(0 if parent < 0 else depth[parent] + 1)
    return tuple(
        tuple(j for j, d in enumerate(depth) if d == level)
        for level in range(max(depth) + 1)
    )


# Joints at each distance from the root; forward kinematics poses a level at once.
SMPL_LEVELS = _levels(SMPL_PARENTS)

# The order in which smplx appends landmark vertices to the kinematic joints.
LANDMARKS_21 = JointSet(
    "LANDMARKS_21",
    (
        "nose", "right_eye", "left_eye", "right_ear", "left_ear",
        "left_big_toe", "left_small_toe", "left_heel",
        "right_big_toe", "right_small_toe", "right_heel",
        "left_thumb_tip", "left_index_tip", "left_middle_tip", "left_ring_tip",
        "left_pinky_tip", "right_thumb_tip", "right_index_tip", "right_middle_tip",
        "right_ring_tip", "right_pinky_tip",
    ),
)  # fmt: skip


def _pairs(*parts: str) -> tuple[str, ...]:
    """Returns the names of the left and the right one of each part."""
    return tuple(f"{side}_{part}" for part in parts for side in ("left", "right"))


_FEET = tuple(f"{side}_{part}" for side in ("left", "right")
              for part in ("big_toe", "small_toe", "heel"))  # fmt: skip

BODY_25 = JointSet(
    "BODY_25",
    (
        "nose", "neck", "right_shoulder", "right_elbow", "right_wrist",
        "left_shoulder", "left_elbow", "left_wrist", "mid_hip", "right_hip",
        "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
        "right_eye", "left_eye", "right_ear", "left_ear", *_FEET,
    ),
)  # fmt: skip

EXTRA_19 = JointSet(
    "EXTRA_19",
    (
        "right_ankle_extra", "right_knee_extra", "right_hip_extra",
        "left_hip_extra", "left_knee_extra", "left_ankle_extra",
        "right_wrist_extra", "right_elbow_extra", "right_shoulder_extra",
        "left_shoulder_extra", "left_elbow_extra", "left_wrist_extra",
        "neck_lsp", "head_top_lsp", "pelvis_mpii", "thorax_mpii",
        "spine_h36m", "jaw_h36m", "head_h36m",
    ),
)  # fmt: skip

JOINTS_44 = JointSet("JOINTS_44", BODY_25.names + EXTRA_19.names)

COCO_17 = JointSet(
    "COCO_17",
    ("nose",
     *_pairs("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
)  # fmt: skip

# Body and feet of COCO-WholeBody, whose files go on with face and hands.
COCO_FEET_23 = JointSet("COCO_FEET_23", COCO_17.names + _FEET)

# Body and feet of Halpe (AlphaPose), whose files may go on with face and hands.
HALPE_26 = JointSet(
    "HALPE_26",
    (*COCO_17.names, "head_top", "neck", "mid_hip",
     *_pairs("big_toe", "small_toe", "heel")),
)  # fmt: skip

# Order of OpenPose's experimental model; BODY_135 goes on with hands and face.
BODY_25B = JointSet("BODY_25B", COCO_17.names + ("upper_neck", "head_top") + _FEET)

# MediaPipe's landmarks (BlazePose). Its "foot index" is the tip of the foot, which lies
# nearest to the big toe.
MEDIAPIPE_33 = JointSet(
    "MEDIAPIPE_33",
    (
        "nose", *(f"{side}_eye{place}" for side in ("left", "right")
                  for place in ("_inner", "", "_outer")),
        *_pairs("ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index",
                "thumb", "hip", "knee", "ankle", "heel", "big_toe"),
    ),
)  # fmt: skip

# Human3.6M's 17 joints in its own order, under the names that JOINTS_44 gives them.
H36M_17 = JointSet(
    "H36M_17",
    (
        "pelvis_mpii", "right_hip_extra", "right_knee_extra", "right_ankle_extra",
        "left_hip_extra", "left_knee_extra", "left_ankle_extra", "spine_h36m",
        "neck_lsp", "jaw_h36m", "head_h36m", "left_shoulder_extra",
        "left_elbow_extra", "left_wrist_extra", "right_shoulder_extra",
        "right_elbow_extra", "right_wrist_extra",
    ),
)  # fmt: skip

# The joints in Human3.6M's files, some of which coincide; of these, the one that is
# commonly used has the name of H36M_17.
H36M_32 = JointSet(
    "H36M_32",
    (
        "hips", "right_hip_extra", "right_knee_extra", "right_ankle_extra",
        "right_toe_base", "right_toe_end", "left_hip_extra", "left_knee_extra",
        "left_ankle_extra", "left_toe_base", "left_toe_end", "pelvis_mpii",
        "spine_h36m", "neck_base", "jaw_h36m", "head_h36m", "arms_base",
        "left_shoulder_extra", "left_elbow_extra", "left_wrist_extra",
        "left_thumb", "left_thumb_end", "left_hand", "left_hand_end", "neck_lsp",
        "right_shoulder_extra", "right_elbow_extra", "right_wrist_extra",
        "right_thumb", "right_thumb_end", "right_hand", "right_hand_end",
    ),
)  # fmt: skip

# OpenPose's joints before BODY_25, which ControlNet and 3DPW's detections use.
OPENPOSE_18 = JointSet(
    "OPENPOSE_18",
    tuple(n for n in BODY_25.names if n not in ("mid_hip", *_FEET)),
)

# The joints of the arrays `part` and `S` in SPIN's annotation files.
SPIN_24 = JointSet(
    "SPIN_24",
    (*EXTRA_19.names, "nose", "left_eye", "right_eye", "left_ear", "right_ear"),
)

# The joints on which errors are reported, in the official order: 14 in the protocols of
# Human3.6M and 3DPW, 17 in that of MPI-INF-3DHP (SPIN).
EVAL_H36M_14 = JointSet(
    "EVAL_H36M_14",
    EXTRA_19.names[: EXTRA_19.index("neck_lsp") + 1] + ("head_h36m",),
)
EVAL_H36M_17 = JointSet(
    "EVAL_H36M_17", EVAL_H36M_14.names + ("pelvis_mpii", "spine_h36m", "jaw_h36m")
)

# The OpenPose joints that are kinematic joints of the body; the others are landmarks.
_BODY_25_KINEMATIC = {
    "neck": "neck", "mid_hip": "pelvis",
    **{f"{side}_{part}": f"{side}_{part}"
       for side in ("left", "right")
       for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")},
}  # fmt: skip
# Position of each BODY_25 joint in SMPL_24 followed by LANDMARKS_21.
BODY_25_SOURCE = tuple(
    SMPL_24.index(_BODY_25_KINEMATIC[n])
    if n in _BODY_25_KINEMATIC
    else len(SMPL_24) + LANDMARKS_21.index(n)
    for n in BODY_25.names
)

# Joints of BODY_25 that are kinematic, without the pelvis that others are taken from.
LIMBS_25 = BODY_25.indices(*(n for n in _BODY_25_KINEMATIC if n != "mid_hip"))
MID_HIP_25 = BODY_25.index("mid_hip")

# Pairs of positions in JOINTS_44 that are the same body part, once as OpenPose and once
# as the other annotators place it: if one of them is hidden, so is the other.
TWINS_44 = tuple(
    (JOINTS_44.index(name.removesuffix("_extra")), JOINTS_44.index(name))
    for name in EXTRA_19.names
    if name.endswith("_extra")
)

# The joint that root-relative joints have at their origin, as in the official losses.
PELVIS_44 = JOINTS_44.index("pelvis_mpii")

# Joints whose detections the official fitting ignores (its option `use_hips=False`).
HIPS_44 = JOINTS_44.indices(
    "mid_hip", "right_hip", "left_hip",
    "right_hip_extra", "left_hip_extra", "pelvis_mpii",
)  # fmt: skip

# Pairs of positions in BODY_25 between which pictures draw bones.
BODY_25_BONES = tuple(
    BODY_25.indices(a, b)
    for a, b in (
        ("neck", "nose"), ("neck", "mid_hip"), ("nose", "right_eye"),
        ("nose", "left_eye"), ("right_eye", "right_ear"), ("left_eye", "left_ear"),
        *((x.format(s=s), y.format(s=s))
          for s in ("right", "left")
          for x, y in (
              ("neck", "{s}_shoulder"), ("{s}_shoulder", "{s}_elbow"),
              ("{s}_elbow", "{s}_wrist"), ("mid_hip", "{s}_hip"),
              ("{s}_hip", "{s}_knee"), ("{s}_knee", "{s}_ankle"),
              ("{s}_ankle", "{s}_heel"), ("{s}_ankle", "{s}_big_toe"),
              ("{s}_big_toe", "{s}_small_toe"),
          )),
    )
)  # fmt: skip
