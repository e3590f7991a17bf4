# %% [markdown]
# # The flow of poses as a prior
#
# A flow that sees no picture ships as well. It was trained on motion capture, draws
# poses that people take, and says how likely a pose is. Fits and animation programs of
# your own can use it; it is a differentiable function of the pose.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from prohmr_jax.body import body_mesh
from prohmr_jax.files.body_files import read_body
from prohmr_jax.fitting.smplify import GenericFlow
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.priors.pose_flow import BODY_FEATURES, load_pose_flow
from prohmr_jax.rendering.contact_sheet import contact_sheet
from prohmr_jax.rendering.stage import Stage
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.skeleton import SMPL_24
from prohmr_jax.structs import SmplParams

body = read_body("open")
prior = GenericFlow(load_pose_flow())


def picture(body_pose, heading_deg=0.0):
    """Returns a picture of bodies [N, 23, 3, 3] in a row, turned by an angle."""
    number = len(body_pose)
    turn = axis_angle_to_rotmat(jnp.array([0.0, jnp.deg2rad(heading_deg), 0.0]))
    toward_camera = axis_angle_to_rotmat(jnp.array([jnp.pi, 0.0, 0.0]))
    orient = jnp.broadcast_to(toward_camera @ turn, (number, 3, 3))
    smpl = SmplParams(orient, body_pose, jnp.zeros((number, body.num_betas)))
    vertices = np.asarray(body_mesh(body, smpl).vertices)
    stage = Stage.around(vertices, 230)
    panels = [stage.panels(Mesh(v, body.faces))[0] for v in vertices]
    return Image.fromarray(contact_sheet(panels, number))


# %% [markdown]
# ## Poses that people take
#
# Noise becomes poses. Noise of a smaller scale stays nearer to the most likely pose.

# %%
z = jax.random.normal(jax.random.key(3), (7, BODY_FEATURES))
picture(prior.rotmats(z))

# %%
picture(prior.rotmats(0.5 * z))

# %% [markdown]
# ## How likely a pose is
#
# One knee of the most likely pose is bent from backwards, as no knee bends, to the
# full bend. `energy` is the negative log-density, but for a constant.

# %%
knee = SMPL_24.names.index("left_knee") - 1  # the root is not part of a body pose
degrees = jnp.linspace(-60, 150, 43)
bends = jnp.deg2rad(degrees)[:, None] * jnp.array([1.0, 0.0, 0.0])
standing = prior.rotmats(jnp.zeros(BODY_FEATURES))
poses = jnp.tile(standing, (len(bends), 1, 1, 1))
poses = poses.at[:, knee].set(axis_angle_to_rotmat(bends))
energy = prior.energy(prior.encode(poses))
figure, axes = plt.subplots(figsize=(8, 3))
axes.plot(degrees, energy - energy.min())
axes.axvspan(-60, 0, color="indianred", alpha=0.15, label="knees do not bend so")
axes.set(
    xlabel="bend of the left knee, degrees", ylabel="energy, nats", yscale="symlog"
)
axes.legend()
plt.show()

# %%
picture(poses[::7], heading_deg=70)

# %% [markdown]
# ## From pose to pose
#
# The straight way between two latents leads through poses that people take.

# %%
share = jnp.linspace(0, 1, 7)[:, None]
picture(prior.rotmats(z[3] + share * (z[1] - z[3])))
