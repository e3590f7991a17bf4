"""Predicts shape and camera from the context."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.models.layers import HIGHEST, dense
from prohmr_jax.structs import WeakCamera


class ShapeCameraHead(nn.Module):
    """Computes [betas, camera] = mean + MLP(context), once per image.

    The means are kept with the weights (in the collection `mean_params`), because the
    weights are trained relative to them.
    """

    context_features: int
    """Number of entries of the context."""
    num_betas: int = 10
    """Number of shape coefficients."""
    hidden_features: int = 1024
    """Width of the hidden layer."""
    mean_betas: Sequence[float] = ()
    """Mean shape coefficients; empty stands for zeros."""
    mean_camera: Sequence[float] = (0.9, 0.0, 0.0)
    """Mean camera (scale, x, y), as in `WeakCamera`."""

    @nn.compact
    def __call__(
        self, context: Float[Array, "*b C"]
    ) -> tuple[Float[Array, "*b S"], WeakCamera]:
        """Returns the shape coefficients and the camera of the crop."""
        betas_init = jnp.asarray(self.mean_betas or (0.0,) * self.num_betas)
        camera_init = jnp.asarray(self.mean_camera, jnp.float32)
        mean_betas = self.variable("mean_params", "betas", lambda: betas_init)
        mean_camera = self.variable("mean_params", "camera", lambda: camera_init)
        h = dense(self.hidden_features, self.context_features, name="layers_0")(context)
        out = nn.Dense(
            self.num_betas + len(self.mean_camera),
            # This is xavier_uniform with gain 0.02, which starts close to the means.
            kernel_init=nn.initializers.variance_scaling(0.02**2, "fan_avg", "uniform"),
            precision=HIGHEST,
            name="layers_2",
        )(nn.relu(h))
        betas = mean_betas.value + out[..., : self.num_betas]
        camera = mean_camera.value + out[..., self.num_betas :]
        return betas, WeakCamera(scale=camera[..., 0], xy=camera[..., 1:])
