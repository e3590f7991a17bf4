# %% [markdown]
# # A photo becomes a distribution of bodies
#
# A detector finds the person, the trained model says which bodies agree with what was
# found, and pictures show them. Everything that is used here ships with the package.

# %%
from PIL import Image

from prohmr_jax.detection.detector import load_detector
from prohmr_jax.detection.photo_people import people_in_photo
from prohmr_jax.files.assets import DEMO_PHOTO
from prohmr_jax.files.images import read_image
from prohmr_jax.inference.reconstruction import load_reconstructor
from prohmr_jax.inference.result_pictures import draw_overlay, draw_sheet

photo = read_image(DEMO_PHOTO)  # pass your own path
(person,) = people_in_photo(load_detector(), DEMO_PHOTO, photo).people
print(f"{(person.keypoints.confidence > 0).sum()} of 25 joints are seen")

# %% [markdown]
# A reconstructor holds the weights and the body. For each person it returns the mode,
# which is the single answer, and samples of the distribution, which are the hypotheses.

# %%
reconstruct = load_reconstructor(
    "", "open", seed=0, num_hypotheses=100, num_meshes=13, focal_length_px=0.0
)
height, width = photo.shape[:2]
result, meshes = reconstruct(person, photo, (width, height), source="portrait")
overlay = draw_overlay([result], photo, longest_side_px=500, show_keypoints=True)
Image.fromarray(overlay)

# %% [markdown]
# The sheet shows the mode and three samples from the camera and from the side. The
# upper body is nearly the same in all of them. Nothing in the picture tells of the
# legs, so they differ, and the last column says by how much.

# %%
Image.fromarray(draw_sheet(result, meshes, photo, num_shown=3, panel_px=260))

# %% [markdown]
# `result` holds everything: [its page](../result_files.md) lists the arrays, which
# `prohmr_jax.inference.results` writes and reads.

# %%
print("joints", result.joints.shape, "metres; the mode comes first")
print("log-densities of the mode and of samples:", result.log_prob[:4].round(1))
