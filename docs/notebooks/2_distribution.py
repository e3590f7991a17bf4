# %% [markdown]
# # What a distribution says
#
# A person's true body is known here, because the body was drawn by the prior of poses.
# The model sees its joints in the picture, but not those of the legs.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from prohmr_jax.body import body_joints
from prohmr_jax.files.assets import KEYPOINT_WEIGHTS
from prohmr_jax.files.body_files import read_body
from prohmr_jax.fitting.smplify import GenericFlow
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.geometry.spread import spread
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.priors.pose_flow import BODY_FEATURES, load_pose_flow
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Keypoints2D, SmplParams
from prohmr_jax.weights.weight_files import load_weights

body = read_body("open")
z = 0.7 * jax.random.normal(jax.random.key(5), (BODY_FEATURES,))
body_pose = GenericFlow(load_pose_flow()).rotmats(z)
toward_camera = axis_angle_to_rotmat(jnp.array([np.pi, 0.0, 0.0]))
truth = body_joints(body, SmplParams(toward_camera, body_pose, jnp.zeros(10))).joints

in_front = truth[: len(BODY_25)] + jnp.array([0.0, 0.0, 6.0])
pixels = 1000 * in_front[:, :2] / in_front[:, 2:] + 320
is_leg = np.array([n.split("_")[-1] in ("knee", "ankle", "toe", "heel")
                   for n in BODY_25.names])  # fmt: skip
seen = Keypoints2D(pixels[None], jnp.where(is_leg, 0.0, 1.0)[None])

# %%
spec, variables = load_weights(KEYPOINT_WEIGHTS)
model = prepare(build_model(spec), variables)
bodies = jax.jit(predict, static_argnums=(4, 5))(
    model, body, seen, jax.random.key(0), 1000, False
)
pelvis = BODY_25.names.index("mid_hip")
relative = bodies.body.joints[0] - bodies.body.joints[0, :, pelvis, None]
mode, samples = np.asarray(relative[0]), np.asarray(relative[1:])
truth = np.asarray(truth - truth[pelvis])

# %% [markdown]
# ## Spread
#
# The spread is the root mean square distance of a joint from its mean over the samples.
# It is large where the picture says little.

# %%
joint_spread = np.asarray(spread(samples))[: len(BODY_25)] * 1000
order = np.argsort(joint_spread)
figure, axes = plt.subplots(figsize=(8, 4.5))
colors = np.where(is_leg[order], "indianred", "steelblue")
axes.barh(np.array(BODY_25.names)[order], joint_spread[order], color=colors)
axes.set(xlabel="spread, mm", title="Joints that were not seen are red")
axes.tick_params(labelsize=7)
plt.show()

# %% [markdown]
# ## Hypotheses
#
# Samples are bodies that agree with what was seen. The more of them are drawn, the
# nearer the best of them comes to the truth; but only the truth says which one that is.

# %%
errors = 1000 * np.linalg.norm(samples[:, :25] - truth[:25], axis=-1).mean(axis=-1)
counts = np.arange(1, len(errors) + 1)
figure, axes = plt.subplots(figsize=(8, 3))
axes.semilogx(counts, np.minimum.accumulate(errors), label="best sample so far")
mode_error = 1000 * np.linalg.norm(mode[:25] - truth[:25], axis=-1).mean()
axes.axhline(mode_error, color="gray", linestyle="--", label="mode")
axes.set(xlabel="number of samples", ylabel="mean error of joints, mm", ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown]
# ## Log-density
#
# The mode has the highest density of all. Samples lie together in a narrow band far
# below it, as they must in 144 dimensions: nearly all of the probability is there. A
# log-density ranks bodies of one person; those of different people do not compare.

# %%
log_prob = np.asarray(bodies.hypotheses.log_prob[0])
figure, axes = plt.subplots(figsize=(8, 2.5))
axes.hist(log_prob[1:], bins=40, color="steelblue", label="samples")
axes.axvline(log_prob[0], color="black", label="mode")
axes.set(xlabel="log-density, nats")
axes.legend()
plt.show()

# %% [markdown]
# ## Intervals
#
# Quantiles of the samples give intervals. The picture shows, for the depth of each
# joint beside the pelvis, the interval that should hold the truth nine times in ten.
# [How often intervals really do](../evaluation.md) was measured on held-out captures.

# %%
names = [n for n in BODY_25.names if n.split("_")[-1] in
         ("nose", "shoulder", "elbow", "wrist", "knee", "ankle")]  # fmt: skip
shown = BODY_25.indices(*names)
low, middle, high = 100 * np.quantile(samples[:, shown, 2], [0.05, 0.5, 0.95], axis=0)
figure, axes = plt.subplots(figsize=(8, 4))
axes.errorbar(middle, names, xerr=[middle - low, high - middle], fmt="|", capsize=3,
              label="90 % interval and median")  # fmt: skip
axes.plot(100 * truth[list(shown), 2], names, "o", color="black", label="truth")
axes.set(xlabel="depth beside the pelvis, cm (to the right: further away)")
axes.invert_yaxis()
axes.legend()
plt.show()
