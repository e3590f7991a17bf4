"""The benchmark of fits: the naive path does the same work, and the report is whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.benchmarks import fitting as benchmark
from prohmr_jax.benchmarks import naive
from prohmr_jax.benchmarks.fitting_people import make_subject, with_vertices
from prohmr_jax.benchmarks.ratios import read_ratios
from prohmr_jax.body import body_joints, make_body_model
from prohmr_jax.files.body_files import BodyArrays
from prohmr_jax.fitting.keypoints import keypoint_problem
from prohmr_jax.fitting.multiview_fusion import fusion_problem
from prohmr_jax.fitting.objectives import bind_keypoints, bind_multiview
from prohmr_jax.structs import SmplParams
from tests.support.fit_cases import config_of
from tests.support.fitting_cases import FLOW, flow_weights

# One size everywhere, so that what one test compiled serves the next.
PEOPLE, LIMIT = 2, 60
PLATFORMS = ["tpu", "cuda"]


@pytest.fixture(scope="module")
def arrays(tiny_arrays):
    single = lambda a: a if a.dtype.kind == "i" else a.astype(np.float32)  # noqa: E731
    return BodyArrays(**{name: single(a) for name, a in tiny_arrays.items()})


@pytest.fixture(scope="module")
def subject(arrays):
    return make_subject(FLOW, flow_weights(), arrays)


@pytest.fixture(scope="module")
def people(subject):
    return subject.people(PEOPLE, seed=0)


def test_more_vertices_are_the_same_body(rng, arrays):
    people = SmplParams(
        np.tile(np.eye(3, dtype=np.float32), (2, 1, 1)),
        np.linalg.qr(rng.normal(size=(2, 23, 3, 3)))[0].astype(np.float32),
        rng.normal(size=(2, 10)).astype(np.float32),
    )
    wide = with_vertices(arrays, 150)
    assert len(wide.v_template) == 150
    for name in ("joints", "kinematic_joints"):
        few, many = (
            getattr(jax.jit(body_joints)(make_body_model(**vars(a)), people), name)
            for a in (arrays, wide)
        )
        np.testing.assert_allclose(few, many, atol=1e-6)


def objectives(subject, people):
    """Ours and the naive one, of the same unknowns, summed."""
    arguments = people.context, people.betas, people.view
    start, data = keypoint_problem(subject.model, *arguments)
    ours = jax.vmap(bind_keypoints(subject.model))
    theirs = naive.keypoint_loss(
        subject.flow, subject.dense, people.context, data.keypoints,
        people.view.camera, people.view.image_side,
    )  # fmt: skip
    yield (
        lambda params: jnp.sum(ours(params, data)),
        lambda params: theirs(params, subject.variables),
        start,
    )
    valid = np.ones((1, PEOPLE), np.float32)
    start, views, _ = fusion_problem(
        subject.model, people.context[None], people.betas[None], valid
    )
    fused = bind_multiview(subject.model.flow)
    apart = naive.views_loss(subject.flow, people.context)
    yield (
        lambda z: fused(z, jax.tree.map(lambda a: a[0], views)),
        lambda z: apart(z, subject.variables),
        start[0],
    )


def test_the_naive_path_minimises_the_same(rng, subject, people):
    for ours, theirs, start in objectives(subject, people):
        params = jax.tree.map(
            lambda a: a + 0.1 * rng.normal(size=a.shape).astype(np.float32), start
        )
        values, gradients = zip(
            *(jax.jit(jax.value_and_grad(f))(params) for f in (ours, theirs)),
            strict=True,
        )
        np.testing.assert_allclose(*values, rtol=1e-5)
        for a, b in zip(*map(jax.tree.leaves, gradients), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-4 * np.max(np.abs(a)))


def test_gradients_of_weights_are_computed(subject, people):
    """As by the official closures; a compiler drops what it may."""
    loss = naive.views_loss(subject.flow, people.context)
    z = jnp.ones((PEOPLE, 144))

    def flops(function):
        compiled = jax.jit(function).lower(z, subject.variables).compile()
        return compiled.cost_analysis()["flops"]

    alone = flops(jax.value_and_grad(loss))
    both = flops(jax.value_and_grad(loss, argnums=(0, 1)))
    kept = flops(jax.value_and_grad(naive.with_weight_gradients(loss)))
    assert kept >= both > 1.1 * alone


@pytest.mark.slow
@pytest.mark.parametrize("work", ["fits", "views"])
def test_the_naive_solver_ends(subject, people, work):
    case = {"fits": benchmark.fit_case, "views": benchmark.views_case}[work](
        subject, people, LIMIT
    )
    whole = case.naive(-np.inf)
    number = int(whole.iterations)
    losses = np.asarray(whole.losses)
    assert 1 < number <= LIMIT
    assert np.all(np.diff(losses[:number]) <= 1e-4 * losses[: number - 1])
    assert np.all(np.isinf(losses[number:]))
    assert np.all(np.diff(whole.evaluations[:number]) >= 1)
    # Halfway down it stops at once.
    target = float((losses[0] + losses[number - 1]) / 2)
    early = case.naive(target)
    last = int(early.iterations) - 1
    assert early.losses[last] <= target
    assert last == 0 or early.losses[last - 1] > target
    np.testing.assert_allclose(early.losses[:last], losses[:last], rtol=1e-5)
    # Ours is a minimum of the same objective.
    ours = float(np.sum(case.ours().loss))
    assert ours <= 1.01 * losses[number - 1]


def test_everything_lowers_for_accelerators(subject, people):
    """What is timed, ours and naive, compiled whole."""
    fits = benchmark.fit_case(subject, people, LIMIT)
    views = benchmark.views_case(subject, people, LIMIT)
    target = jnp.float32(0)
    for run in (
        lambda _: fits.ours(), fits.naive, lambda _: views.ours(), views.naive,
    ):  # fmt: skip
        exported = jax.export.export(jax.jit(run), platforms=PLATFORMS)(target)
        assert set(exported.platforms) == set(PLATFORMS)


@pytest.mark.slow
def test_the_report(arrays, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(benchmark, "recipe_weights", lambda *_: (FLOW, flow_weights()))
    monkeypatch.setattr(benchmark, "read_body_arrays", lambda _: arrays)
    monkeypatch.setattr(benchmark, "_SMPL_VERTICES", len(arrays.v_template))
    path = tmp_path / "report.md"
    report = benchmark.run(
        config_of(
            "benchmark_fitting",
            fits=(PEOPLE,),
            views=PEOPLE,
            rounds=1,
            naive_iterations=LIMIT,
            batches=(PEOPLE,),
            output=str(path),
            ratios=str(tmp_path / "ratios.json"),
        )
    )
    assert path.read_text() == report
    assert report in capsys.readouterr().out
    assert "jaxlib" in report.splitlines()[0]
    rows = {}
    for line in report.splitlines():
        if line.startswith("| "):
            name, *cells = (cell.strip() for cell in line.strip("| ").split("|"))
            rows[name] = cells
    assert {
        "seconds", "seconds, naive", "ratio", "objective", "objective, naive",
        "evaluations", "evaluations, naive", "ms per evaluation",
        "ms per evaluation, naive", "compilation, seconds", "compilation, naive",
        "batch",
    } <= set(rows)  # fmt: skip
    views = f"{PEOPLE} views"
    ratios = read_ratios("benchmark_fitting", str(tmp_path / "ratios.json"))
    assert ratios.keys() == {
        f"{case}: naive{end}"
        for case in (f"{PEOPLE} people", views, f"{views}, to the end")
        for end in ("", " to its end")
    }
    assert rows[f"{PEOPLE} people"] == [views, f"{views}, to the end"]
    for row in ("objective", "evaluations, naive", "ms per evaluation"):
        assert len(rows[row]) == 3
    assert all(cell.endswith(("(reached)", "(its end)"))
               for cell in rows["objective, naive"])  # fmt: skip
    # The loop does about what is counted by hand.
    compiled, counted = (float(cell) for cell in rows[str(PEOPLE)][2:])
    assert 0.5 * counted < compiled < 4 * counted
