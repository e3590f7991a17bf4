"""The official model that lifts skeletons is reproduced, and changes are noticed."""

import numpy as np
import pytest

from prohmr_jax.parity.check import check_directory
from prohmr_jax.parity.report import FAIL, LATER, Report


@pytest.mark.slow
def test_the_lifter_is_reproduced_and_a_wrong_number_fails(shared_goldens, tmp_path):
    with np.load(shared_goldens / "proskeleton_small.npz") as arrays:
        content = dict(arrays)
    np.savez(tmp_path / "proskeleton_small.npz", **content)
    layer = "flow.flow._transform._transforms.5.transform_net"
    changed = {
        "hidden_channels": lambda a: a + 1,
        "num_samples": lambda a: a + 1,
        "eval/losses/loss_nll": lambda a: 1.001 * a,
        "eval/grad/backbone.fc_layers.2.fc_block.4.weight": lambda a: a.T,
        "train/pred_keypoints_3d": lambda a: a[:, ::-1],
        f"train/grad_norm/{layer}.final_layer.bias": lambda a: 1.01 * a,
        "train/grad_norm/backbone.fc_layers.1.fc_block.0.bias": lambda a: a + 1.0,
        f"train/after_sd/{layer}.blocks.0.batch_norm_layers.1.num_batches_tracked": (
            lambda a: a - 2
        ),
        f"train/after_sd/{layer}.blocks.0.batch_norm_layers.1.running_var": (
            lambda a: 1.001 * a
        ),
    }
    content |= {key: change(content[key]) for key, change in changed.items()}
    np.savez(tmp_path / "proskeleton_wrong.npz", **content)
    report = Report()
    for _ in check_directory(tmp_path, report):
        pass
    assert not [row for row in report.rows if row.verdict == LATER]
    failed = [row for row in report.rows if row.verdict == FAIL]
    assert {row.file for row in failed} == {"proskeleton_wrong.npz"}
    assert {row.what for row in failed} == set(changed)
    right = [row for row in report.rows if row.file == "proskeleton_small.npz"]
    assert len(right) > 360
    assert len(report.rows) == 2 * len(right)
