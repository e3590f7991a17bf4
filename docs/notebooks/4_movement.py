# %% [markdown]
# # Movement for an animation program
#
# A clip of two seconds is made up: a person goes from one pose to another and back. Its
# keypoints are reconstructed frame by frame, and the movement is written as GLB and
# BVH, which Blender and others open. Of a real video, `prohmr-jax walk.mp4` does all
# of this, follows several people and makes their movement smooth; see
# [Video](../video.md).

# %%
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import trimesh
from PIL import Image

from prohmr_jax.body import body_joints, body_mesh
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.body_files import read_body
from prohmr_jax.files.motion.bvh import write_bvh
from prohmr_jax.files.motion.movement import movement_from_camera
from prohmr_jax.files.motion.skinned_glb import write_skinned_glb
from prohmr_jax.fitting.smplify import GenericFlow
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.modes.export import rest_skeleton
from prohmr_jax.priors.pose_flow import BODY_FEATURES, load_pose_flow
from prohmr_jax.rendering.contact_sheet import contact_sheet
from prohmr_jax.rendering.stage import Stage
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.structs import Keypoints2D, SmplParams
from prohmr_jax.weights.weight_files import load_weights

FRAMES, FRAMES_PER_SECOND = 60, 30.0
body = read_body("open")

# %% [markdown]
# The way between two poses leads through the latents of the prior, so that every pose
# on it is one that people take.

# %%
z = 0.9 * jax.random.normal(jax.random.key(3), (7, BODY_FEATURES))[1::5]
share = (0.5 - 0.5 * jnp.cos(jnp.linspace(0, 2 * jnp.pi, FRAMES)))[:, None]
poses = GenericFlow(load_pose_flow()).rotmats(z[0] + share * (z[1] - z[0]))
toward_camera = axis_angle_to_rotmat(jnp.tile(jnp.array([jnp.pi, 0, 0]), (FRAMES, 1)))
truth = SmplParams(toward_camera, poses, jnp.zeros((FRAMES, body.num_betas)))
joints = body_joints(body, truth).joints[:, :25] + jnp.array([0.0, 0.0, 6.0])
pixels = 1000 * joints[..., :2] / joints[..., 2:] + 320
seen = Keypoints2D(pixels, jnp.ones(pixels.shape[:-1]))

# %%
spec, variables = load_weights(KEYPOINT_WEIGHTS)
model = prepare(build_model(spec), variables)
bodies = jax.jit(predict, static_argnums=(4,))(model, body, seen, jax.random.key(0), 1)
smpl = jax.tree.map(lambda a: a[:, 0], bodies.hypotheses.smpl)

# %% [markdown]
# Every sixth frame: above the person, below the reconstruction.

# %%
every_sixth = slice(0, FRAMES // 2 + 1, 6)
rows = [
    np.asarray(body_mesh(body, jax.tree.map(lambda a: a[every_sixth], params)).vertices)
    for params in (truth, smpl)
]
stage = Stage.around(np.concatenate(rows), 240)
panels = [stage.panels(Mesh(v, body.faces))[0] for row in rows for v in row]
labels = ["person", "reconstructed"]
Image.fromarray(contact_sheet(panels, len(rows[0]), row_labels=labels, text_px=14))

# %% [markdown]
# ## The files
#
# A movement is a skeleton of one shape, rotations, and the way of its root. GLB holds
# the skinned body with its animation; BVH holds the skeleton alone.

# %%
skeleton = rest_skeleton(body, np.asarray(smpl.betas.mean(axis=0)))
movement = movement_from_camera(
    skeleton,
    np.arange(FRAMES),
    np.asarray(smpl.rotmats),
    np.tile([0.0, 0.0, 6.0], (FRAMES, 1)),
    FRAMES_PER_SECOND,
)
folder = Path(tempfile.mkdtemp())
write_skinned_glb(folder / "person.glb", movement)
write_bvh(folder / "person.bvh", movement)
for path in sorted(folder.iterdir()):
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
print(len(trimesh.load(folder / "person.glb", force="mesh").vertices), "vertices")
print("\n".join((folder / "person.bvh").read_text().splitlines()[:6]))
