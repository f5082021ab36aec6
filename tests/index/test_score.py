"""Indices of scores: their laws, and paths under them."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from scipy.stats import kstest
from score_examples import (
    CLASSIFIER,
    DIM,
    DISCRIMINATOR,
    F64,
    FEATURES,
    GENERATOR,
    MAKERS,
    PRIOR,
    Net,
    draw,
    gradient,
    index_of,
    references,
)

import latentpath as lp
from latentpath.index import ClassifierIndex, DiscriminatorIndex, KNNIndex, RealismIndex, ScoreIndex
from latentpath.priors import semicircle, standard_normal

# --------------------------------------------------------------------------------------------------------------- laws


@pytest.mark.parametrize("name", MAKERS)
def test_the_index_of_a_sample_is_uniform(name):
    """Within what 2000 samples at either end allow (Kolmogorov and Smirnov, 1 %)."""
    ri = index_of(name)(draw(2000, 51))
    assert kstest(ri.numpy(), "uniform").statistic < 1.63 * math.sqrt(2 / 2000)


@pytest.mark.parametrize("prior", [semicircle(dtype=F64), semicircle()])
def test_the_score_log_density_is_the_papers_own_index(prior):
    """The same samples, levels and table, whichever way the log-density is computed."""
    paper, score = RealismIndex(prior, samples=500), ScoreIndex(prior, score=prior.log_prob, samples=500)
    z = prior.sample((50,)) * 1.5
    tolerance = 1e-9 if z.dtype == F64 else 1e-4
    torch.testing.assert_close(score.log(z), paper.log(z), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(score.log_direct(z), paper.log_direct(z), rtol=tolerance, atol=tolerance)


def test_a_rising_function_of_the_score_has_the_same_index():
    """Exactly where it is linear; up to smoothing, which sees the tails of each as they are, where it is not."""
    index, z = index_of("discriminator"), draw(500, 52)
    for rising, bound in ((lambda d: 7 * d - 3, 1e-9), (torch.tanh, 0.02), (torch.exp, 0.04)):
        other = DiscriminatorIndex(
            PRIOR, generator=GENERATOR, discriminator=lambda x, f=rising: f(DISCRIMINATOR(x)), samples=2000
        )
        assert (other(z) - index(z)).abs().max() < bound


@pytest.mark.parametrize("name", MAKERS)
def test_derivatives_agree_with_differences(name):
    z, index = draw(3, 53).requires_grad_(), index_of(name)
    assert torch.autograd.gradcheck(index.log, z, check_forward_ad=True, check_batched_grad=True)
    slope = gradient(index.log, z)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(index.log))(z), slope, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MAKERS)
def test_a_few_at_a_time_is_the_same_as_all_at_once(name):
    z = draw(50, 54).view(5, 10, DIM).requires_grad_()
    whole, pieces = MAKERS[name](samples=60), MAKERS[name](samples=60, max_points=7)
    torch.testing.assert_close(pieces.log(z), whole.log(z), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient(pieces.log, z), gradient(whole.log, z), rtol=1e-9, atol=1e-12)
    assert whole.log(z[:0]).shape == (0, 10)
    assert whole.log(z[0, 0]).shape == ()


def test_no_call_gives_the_networks_more_than_max_points():
    seen = []

    def generator(z):
        seen.append(len(z))
        return GENERATOR(z)

    index = DiscriminatorIndex(PRIOR, generator=generator, discriminator=DISCRIMINATOR, samples=100, max_points=16)
    assert sum(seen) >= 100
    gradient(index.log, draw(40, 55).requires_grad_())
    assert max(seen) == 16


@pytest.mark.parametrize("name", MAKERS)
def test_nan_gives_nan_and_only_where_it_is(name):
    z = draw(3, 56)
    z[1, 0] = math.nan
    assert index_of(name).log(z).isnan().tolist() == [False, True, False]


def test_far_below_the_worst_sample_the_log_falls_and_its_gradient_leads_back():
    index = ScoreIndex(PRIOR, score=lambda z: -z.norm(dim=-1), samples=500)
    z = (draw(20, 57) * 100).requires_grad_()
    assert index.log(z).isfinite().all()
    assert (index.log(z) < -100).all()
    assert ((gradient(index.log, z) * z).sum(-1) < 0).all()


# ------------------------------------------------------------------------------------------------------ the four scores


def test_the_confidence_is_the_logit_of_the_largest_probability():
    """Which has the order of log p, and still tells apart what log p rounds to 0."""
    index, z = index_of("classifier"), draw(400, 58)
    p = CLASSIFIER(GENERATOR(z)).softmax(-1).amax(-1)
    torch.testing.assert_close(index._argument(z), (p / (1 - p)).log(), rtol=1e-9, atol=1e-9)
    assert (index(z)[p.argsort()].diff() >= 0).all()
    steep = ClassifierIndex(
        standard_normal(1, dtype=F64), generator=lambda z: z, classifier=lambda x: torch.cat([200 * x, 0 * x], 1)
    )
    sure = torch.tensor([[0.5], [1.0], [2.0]], dtype=F64)  # log p = -e^-100, -e^-200, -e^-400
    torch.testing.assert_close(steep(sure)[:, None], torch.erf(sure / math.sqrt(2)), rtol=0, atol=0.03)


def brute_force(points, real, neighbours):
    radii = [sorted(float((a - b).norm()) for b in real)[neighbours] for a in real]
    median = sorted(radii)[(len(radii) - 1) // 2]
    best = []
    for x in points:
        ratios = [radius / float((x - r).norm()) for r, radius in zip(real, radii, strict=True) if radius <= median]
        best.append(math.log(max(ratios)))
    return torch.tensor(best, dtype=F64)


@pytest.mark.parametrize(("features", "neighbours"), [(None, 3), (FEATURES, 2)])
def test_the_score_of_neighbours_is_that_of_a_loop(features, neighbours):
    real = references(61)
    index = KNNIndex(
        PRIOR,
        generator=GENERATOR,
        references=real.view(61, 3, 4) if features is None else real,
        features=features,
        neighbours=neighbours,
    )
    see = features or (lambda x: x)
    z = draw(20, 59)
    expected = brute_force(see(GENERATOR(z)), see(real), neighbours)
    torch.testing.assert_close(index._argument(z), expected, rtol=1e-8, atol=1e-8)


def test_on_a_reference_the_score_is_finite_and_so_is_its_gradient():
    real = draw(100, 60)
    index = KNNIndex(PRIOR, generator=lambda z: z, references=real, samples=200)
    z = real.clone().requires_grad_()
    value, slope = index._argument(z), gradient(index._argument, z)
    assert value.max().item() == pytest.approx(-0.5 * math.log(1e-12))
    assert slope.isfinite().all()
    assert gradient(index.log, z).isfinite().all()


def test_features_beforehand_are_features():
    z = draw(30, 61)
    inside = KNNIndex(PRIOR, generator=GENERATOR, references=references(), features=FEATURES, samples=100)
    before = KNNIndex(PRIOR, generator=lambda z: FEATURES(GENERATOR(z)), references=FEATURES(references()), samples=100)
    torch.testing.assert_close(inside.log(z), before.log(z), rtol=1e-9, atol=1e-9)


def test_modules_in_float32_are_asked_in_float32_and_looked_up_in_float64():
    generator, judge = Net(DIM, 12).eval(), Net(12, 1).eval()
    index = DiscriminatorIndex(PRIOR, generator=generator, discriminator=judge, samples=300)  # a prior in float64
    wide = DiscriminatorIndex(
        PRIOR, generator=copy.deepcopy(generator).double(), discriminator=copy.deepcopy(judge).double(), samples=300
    )
    z = draw(20, 62).float()
    assert index.log(z).dtype == torch.float32
    assert index._rule.kernel.cells.dtype == F64
    torch.testing.assert_close(index.log(z).double(), wide.log(z.double()), rtol=1e-4, atol=1e-4)
    path = lp.interpolate(generator, index, z[:2], z[2:4], segments=6)
    assert path.latents.dtype == torch.float32


# ----------------------------------------------------------------------------------------- wherever a RealismIndex can


@pytest.mark.parametrize("name", ["discriminator", "classifier", "neighbours"])
def test_a_path_converges_and_is_no_dearer_than_the_line(name):
    index, start, end = index_of(name), draw(2, 63), draw(2, 64)
    path = lp.interpolate(GENERATOR, index, start, end, segments=16, strict=True)
    line = lp.audit(lp.lerp(start, end, 16), GENERATOR, index)
    assert path.settings["alpha"] == 0.9
    assert (path.cost < line.cost).all()
    torch.testing.assert_close(path.ri, index(path.latents), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(path.audit.cost, lp.audit(path.latents, GENERATOR, index).cost)


def test_the_audit_of_a_decoding_index_agrees_with_a_fine_sum():
    index = index_of("neighbours")  # the roughest of them
    line = lp.lerp(draw(2, 65), draw(2, 66), 10)
    fine = lp.curves.subdivide(line, 2000)
    with torch.no_grad():
        cost = lp.discrete_cost(fine, GENERATOR, index)
    facts = lp.audit(line, GENERATOR, index)
    assert facts.settled.all()
    torch.testing.assert_close(facts.cost, cost, rtol=3e-3, atol=0)


def test_restarts_report_save_load_and_bind(tmp_path):
    index, start, end = index_of("discriminator"), draw(2, 67), draw(2, 68)
    path = lp.interpolate(GENERATOR, index, start, end, segments=8, restarts=3)
    assert str(path.multistart).startswith("3 starts")
    path.save(tmp_path / "path.safetensors")
    back = lp.Path.load(tmp_path / "path.safetensors").bind(lp.Source(GENERATOR, index))
    assert torch.equal(back.latents, path.latents)
    rows = back.report(baselines=("lerp",))
    assert sum(rows["path"].cost) <= sum(rows["lerp"].cost)
    assert all(0 <= value <= 1 for row in rows.rows for value in row.lowest_ri + row.mean_ri)
    torch.testing.assert_close(lp.Source(GENERATOR, index).ri(start), index(start))


def test_a_graph_is_drawn_for_an_index_that_decodes_only_where_it_is_asked_for():
    calls = []
    index = ScoreIndex(standard_normal(2, dtype=F64), score=lambda z: (calls.append(len(z)), -z.square().sum(-1))[1])
    ends = torch.tensor([1.0, 0.0], dtype=F64), torch.tensor([-0.5, 1.0], dtype=F64)
    spent = []
    for graph in (None, True):
        calls.clear()
        lp.interpolate(lambda z: z, index, *ends, segments=4, restarts=lp.Restarts(3, graph=graph, samples=64))
        spent.append(sum(calls))
    assert spent[0] < 0.7 * spent[1]
