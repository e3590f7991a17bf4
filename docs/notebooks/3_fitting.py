# %% [markdown]
# # Fits to keypoints, and several views of one person
#
# Five poses are drawn by the prior, and each is seen by four cameras around it. The
# keypoints are off by one per cent of the person's height. Their bodies are then
# estimated from one view, from four views of unknown cameras, and from four known ones.

# %%
import functools

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from prohmr_jax.body import body_mesh
from prohmr_jax.evaluation.metrics import pa_mpjpe
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.body_files import read_body
from prohmr_jax.fitting.keypoints import body_25_as_44, fit_keypoints, image_view
from prohmr_jax.fitting.multiview_fusion import fuse_views
from prohmr_jax.fitting.multiview_joint import fit_calibrated
from prohmr_jax.fitting.objectives import FittingModel
from prohmr_jax.fitting.smplify import GenericFlow
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.priors.pose_flow import BODY_FEATURES, load_pose_flow
from prohmr_jax.rendering.contact_sheet import contact_sheet
from prohmr_jax.rendering.stage import Stage
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.structs import Keypoints2D, SmplParams
from prohmr_jax.weights.weight_files import load_weights

PEOPLE, VIEWS, FOCAL, SIZE = 5, 4, 1000.0, 640
body = read_body("open")
z = 0.7 * jax.random.normal(jax.random.key(1), (PEOPLE, BODY_FEATURES))
upright = jnp.zeros((PEOPLE, 1, 3)).at[..., 0].set(jnp.pi)  # y points down in cameras
truth = SmplParams(
    axis_angle_to_rotmat(upright)[:, 0],
    GenericFlow(load_pose_flow()).rotmats(z),
    jnp.zeros((PEOPLE, body.num_betas)),
)
true_body = body_mesh(body, truth)

# %% [markdown]
# Each camera stands six metres away, a quarter of a turn further than the last.

# %%
heading = 0.3 + jnp.pi / 2 * jnp.arange(VIEWS)
rotation = axis_angle_to_rotmat(heading[:, None] * jnp.array([0.0, 1.0, 0.0]))
extrinsics = Extrinsics(
    jnp.broadcast_to(rotation, (PEOPLE, VIEWS, 3, 3)),
    jnp.broadcast_to(jnp.array([0.0, 0.0, 6.0]), (PEOPLE, VIEWS, 3)),
)
in_camera = jnp.einsum("nij,gkj->gnki", rotation, true_body.joints[:, :25])
in_camera = in_camera + jnp.array([0.0, 0.0, 6.0])
pixels = FOCAL * in_camera[..., :2] / in_camera[..., 2:] + SIZE / 2
noise = 0.01 * 1.7 * FOCAL / 6 * jax.random.normal(jax.random.key(2), pixels.shape)
seen = Keypoints2D(pixels + noise, jnp.ones(pixels.shape[:-1]))

# %% [markdown]
# ## The mode of one view
#
# The model predicts all views of all people in one call.

# %%
spec, variables = load_weights(KEYPOINT_WEIGHTS)
model = prepare(build_model(spec), variables)
fitting = FittingModel(model.flow, body)
flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), seen)
bodies = jax.jit(predict, static_argnums=(4,))(model, body, flat, jax.random.key(0), 1)
betas = bodies.hypotheses.smpl.betas[:, 0]


def in_views(tree):
    """Returns arrays of all views, the views of each person on an axis of their own."""
    return jax.tree.map(lambda a: a.reshape(PEOPLE, VIEWS, *a.shape[1:]), tree)


def error(joints):
    """Returns the mean error in mm, after the best alignment of each person."""
    return 1000 * float(pa_mpjpe(joints, true_body.joints).mean())


errors = {"one view, mode": error(in_views(bodies.body.joints[:, 0])[:, 0])}

# %% [markdown]
# ## A fit to one view
#
# The fit looks for the body that agrees with the keypoints and has a high density under
# the distribution of its own picture. Its joints lie on the keypoints, but one view
# tells as little of their depth as before, so the error in space hardly changes.

# %%
view = image_view(
    body_25_as_44(flat),
    bodies.hypotheses.camera,
    bodies.box,
    jnp.full((PEOPLE * VIEWS, 2), float(SIZE)),
    FOCAL,
)
first = functools.partial(jax.tree.map, lambda a: a[::VIEWS])
fit = fit_keypoints(fitting, bodies.context[::VIEWS], betas[::VIEWS], first(view))
errors["one view, fitted"] = error(fit.body.joints)

# %% [markdown]
# ## Four views
#
# The fusion needs no cameras: it looks for one pose that is likely in all views. With
# known cameras, all keypoints count as well.

# %%
fused = fuse_views(fitting, *in_views((bodies.context, betas)))
errors["four views, fused"] = error(fused.body.joints[:, 0])
world = fit_calibrated(fitting, *in_views((bodies.context, betas, view)), extrinsics)
errors["four known cameras"] = error(world.body.joints)
for name, value in errors.items():
    print(f"{name:20} {value:5.1f} mm")

# %% [markdown]
# The five people: above the truth, then the estimates in the same order. All are shown
# from the front, in the orientation of the truth.


# %%
def meshes(smpl):
    """Returns the vertices of bodies that all have the orientation of the truth."""
    smpl = smpl.replace(global_orient=truth.global_orient)
    return np.asarray(body_mesh(body, smpl).vertices)


one_view = in_views(jax.tree.map(lambda a: a[:, 0], bodies.hypotheses.smpl))
rows = {
    "truth": meshes(truth),
    "mode": meshes(jax.tree.map(lambda a: a[:, 0], one_view)),
    "fit": meshes(fit.smpl),
    "fusion": meshes(jax.tree.map(lambda a: a[:, 0], fused.smpl)),
    "cameras": meshes(world.smpl),
}
stage = Stage.around(np.concatenate([row for row in rows.values()]), 170)
panels = [stage.panels(Mesh(v, body.faces))[0] for row in rows.values() for v in row]
Image.fromarray(contact_sheet(panels, 5, row_labels=list(rows), text_px=13))
