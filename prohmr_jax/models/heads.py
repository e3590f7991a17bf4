"""The head that reads shape and camera off the context."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.models.layers import HIGHEST, dense
from prohmr_jax.structs import WeakCamera


class ShapeCameraHead(nn.Module):
    """[betas, camera] = mean + MLP(context), one answer per image.

    The means are kept with the weights (collection `mean_params`), because weights
    are trained relative to them.
    """

    context_features: int
    num_betas: int = 10
    hidden_features: int = 1024
    mean_betas: Sequence[float] = ()
    """Empty: zeros."""
    mean_camera: Sequence[float] = (0.9, 0.0, 0.0)
    """(scale, x, y)."""

    @nn.compact
    def __call__(
        self, context: Float[Array, "*b C"]
    ) -> tuple[Float[Array, "*b S"], WeakCamera]:
        """Returns shape coefficients and the crop's camera."""
        betas_init = jnp.asarray(self.mean_betas or (0.0,) * self.num_betas)
        camera_init = jnp.asarray(self.mean_camera, jnp.float32)
        mean_betas = self.variable("mean_params", "betas", lambda: betas_init)
        mean_camera = self.variable("mean_params", "camera", lambda: camera_init)
        h = dense(self.hidden_features, self.context_features, name="layers_0")(context)
        out = nn.Dense(
            self.num_betas + len(self.mean_camera),
            # xavier_uniform with gain 0.02: starts close to the means
            kernel_init=nn.initializers.variance_scaling(0.02**2, "fan_avg", "uniform"),
            precision=HIGHEST,
            name="layers_2",
        )(nn.relu(h))
        betas = mean_betas.value + out[..., : self.num_betas]
        camera = mean_camera.value + out[..., self.num_betas :]
        return betas, WeakCamera(scale=camera[..., 0], xy=camera[..., 1:])
