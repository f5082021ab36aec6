"""Indices of scores: their laws, their validation of arguments, and paths under them."""

from __future__ import annotations

import contextlib
import copy
import functools
import math

import pytest
import torch
from jaxtyping import config
from scipy.stats import kstest
from torch import nn

import latentpath as lp
from latentpath.errors import GeneratorError, InputError
from latentpath.index import ClassifierIndex, DiscriminatorIndex, KNNIndex, PriorIndex, RealismIndex, ScoreIndex
from latentpath.priors import semicircle, standard_normal, uniform_box

F64 = torch.float64
DIM = 8


def net(dim, values, seed, scale=1.0):
    random = torch.Generator().manual_seed(seed)
    inner = torch.randn(dim, 32, generator=random, dtype=F64) * scale / math.sqrt(dim)
    outer = torch.randn(32, values, generator=random, dtype=F64) / math.sqrt(32)
    return lambda z: torch.tanh(z @ inner) @ outer


PRIOR = standard_normal(DIM, dtype=F64)
GENERATOR, DISCRIMINATOR, CLASSIFIER, FEATURES = net(DIM, 12, 1), net(12, 1, 2), net(12, 5, 3, 3.0), net(12, 6, 4)


def references(count=300):
    random = torch.Generator().manual_seed(5)
    return GENERATOR(0.6 * torch.randn(count, DIM, generator=random, dtype=F64) + 0.3)


MAKERS = {
    "score": lambda **options: ScoreIndex(PRIOR, score=lambda z: torch.sin(z).sum(-1), **options),
    "discriminator": lambda **options: DiscriminatorIndex(
        PRIOR, generator=GENERATOR, discriminator=DISCRIMINATOR, **options
    ),
    "classifier": lambda **options: ClassifierIndex(PRIOR, generator=GENERATOR, classifier=CLASSIFIER, **options),
    "neighbours": lambda **options: KNNIndex(PRIOR, generator=GENERATOR, references=references(), **options),
    "features": lambda **options: KNNIndex(
        PRIOR, generator=GENERATOR, references=references(), features=FEATURES, neighbours=5, **options
    ),
}


@functools.cache
def index_of(name):
    return MAKERS[name](samples=2000)


def draw(count, seed):
    torch.manual_seed(seed)
    return PRIOR.sample((count,))


def gradient(function, z):
    return torch.autograd.grad(function(z).sum(), z)[0]


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


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        random = torch.Generator().manual_seed(6)
        self.linear = nn.Linear(inputs, outputs)
        self.drop = nn.Dropout(0.5)
        with torch.no_grad():
            for weights in self.parameters():
                weights.copy_(torch.randn(weights.shape, generator=random) / math.sqrt(inputs))

    def forward(self, x):
        return self.drop(torch.tanh(self.linear(x)))


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
        cost = lp.cost(fine, GENERATOR, index)
    facts = lp.audit(line, GENERATOR, index)
    assert facts.settled.all()
    torch.testing.assert_close(facts.cost, cost, rtol=3e-3, atol=0)


def test_restarts_report_save_load_and_bind(tmp_path):
    index, start, end = index_of("discriminator"), draw(2, 67), draw(2, 68)
    path = lp.interpolate(GENERATOR, index, start, end, segments=8, restarts=3)
    assert str(path.found).startswith("3 starts")
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


# --------------------------------------------------------------------------------------------------------------- doors


def test_an_index_tells_what_it_is_and_cannot_be_changed():
    index = index_of("classifier")
    text = "ClassifierIndex(Independent(Normal), dim=8, kind='score', alpha=0.9, samples=2000, seed=0)"
    assert repr(index) == text
    assert isinstance(index, PriorIndex)
    with pytest.raises(AttributeError, match="a ClassifierIndex cannot be changed; make a new one"):
        index.alpha = 0.5


def test_the_seed_fixes_the_index_and_the_random_state_is_left_alone():
    z = draw(10, 69)
    state = torch.get_rng_state()
    first, same, other = (MAKERS["discriminator"](samples=200, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.log(z), same.log(z))
    assert not torch.equal(first.log(z), other.log(z))


def test_a_uniform_prior_has_scores_too():
    prior = uniform_box(2, 0.0, 1.0)
    index = ScoreIndex(prior, score=lambda z: z[:, 0])
    z = torch.tensor([[0.25, 0.9], [0.75, 0.1]])
    assert (index(z) - z[:, 0]).abs().max() < 0.03


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ScoreIndex(PRIOR, score=lambda z: z),
            r"one number each.* \(\d+, 8\)",
        ),
        (lambda: ScoreIndex(PRIOR, score=lambda z: z.sum()), r"one number each.* \(\) .*\(\d+, 8\)"),
        (
            lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0].log()),
            r"finite .*\d+ of 5000",
        ),
        (lambda: ScoreIndex(PRIOR, score=lambda z: 0 * z[:, 0] + 2), "is 2 on all"),
        (lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0], alpha=2), r"alpha .*\(0, 1\].* 2"),
        (
            lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0], samples=1),
            "samples .*at least 2.* 1",
        ),
        (
            lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0], max_points=0),
            "max_points .*at least 1",
        ),
        (lambda: ScoreIndex(PRIOR, score=Net), "score .*callable.* type"),
        (lambda: ScoreIndex(GENERATOR, score=PRIOR.log_prob), "prior .*Distribution"),
        (lambda: index_of("score").log(torch.zeros(3, 2)), r"\(\.\.\., 8\).* of shape \(3, 2\)"),
        (
            lambda: ClassifierIndex(PRIOR, generator=GENERATOR, classifier=DISCRIMINATOR),
            r"two classes.*\(\d+, 1\)",
        ),
        (
            lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references(3)),
            "references .*more than neighbours=3; got 3",
        ),
        (
            lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references(), neighbours=0),
            "neighbours .*at least 1",
        ),
        (
            lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references()[:, :4]),
            r"references .* 12; got 4",
        ),
        (
            lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references().byte()),
            "references .*floating-point.*uint8",
        ),
        (lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references().log()), "references .*finite.*NaN"),
        (lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0].long()), r"floating point.*\(\d+,\) and torch.int64"),
        (lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0] > 0), "floating point.* torch.bool"),
        (lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0] * 1j), "floating point.* torch.complex128"),
        (
            lambda: DiscriminatorIndex(PRIOR, generator=GENERATOR, discriminator=lambda x: DISCRIMINATOR(x) > 0),
            "floating point.* torch.bool",
        ),
        (
            lambda: ClassifierIndex(PRIOR, generator=GENERATOR, classifier=lambda x: CLASSIFIER(x).long()),
            "logits .* torch.int64",
        ),
        (
            lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references(), features=lambda x: x.sum()),
            r"features .*\(N, F\).* 300",
        ),
        (
            lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references(), features=lambda x: (x, x)),
            "features .*got .*tuple",
        ),
        (
            lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references(), features=lambda x: x[1:]),
            r"\(299, 12\)",
        ),
        (
            lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references(), features=lambda x: x.long()),
            "features .*torch.int64",
        ),
        (lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references(9)[:1].expand(9, 12)), "exact copies"),
    ],
)
def test_errors_say_what_was_expected_and_what_came(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ScoreIndex(PRIOR, score=lambda z: torch.rand(len(z), dtype=F64) + z[:, 0]), "score .*random"),
        (lambda: ScoreIndex(PRIOR, score=lambda z: (z - z.mean(0))[:, 0]), "couples the points"),
        (lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0].detach()), "score .*differentiable"),
        (lambda: ScoreIndex(PRIOR, score=lambda z: z[:, 0].round()), "score .*differentiable"),
        (
            lambda: ScoreIndex(PRIOR, score=lambda z: z @ torch.ones(7, dtype=F64)),
            r"score failed .*\(5000, 8\).*RuntimeError",
        ),
        (
            lambda: DiscriminatorIndex(PRIOR, generator=Net(DIM, 12), discriminator=lambda x: x[:, 0]),
            r"generator .*training mode \(Net, li",
        ),
        (
            lambda: ClassifierIndex(PRIOR, generator=GENERATOR, classifier=Net(12, 5)),
            r"training mode .*classifier.eval",
        ),
        (
            lambda: KNNIndex(PRIOR, generator=GENERATOR, references=references(), features=Net(12, 5)),
            "features .*training mode",
        ),
    ],
)
def test_a_score_that_no_path_can_follow_is_refused(call, message):
    with pytest.raises(GeneratorError, match=message):
        call()


IN_PLACE = {
    "its input": lambda x: x.mul_(2).sum(1),
    "what it was made from": lambda x: x.tanh().mul_(2).sum(1),
}


@pytest.mark.parametrize("judge", IN_PLACE.values(), ids=IN_PLACE)
@pytest.mark.parametrize("generator", [GENERATOR, lambda z: z.tanh(), lambda z: z])
def test_a_score_that_works_in_place_is_refused_or_right(generator, judge):
    try:
        index = DiscriminatorIndex(PRIOR, generator=generator, discriminator=judge, samples=100)
    except GeneratorError as error:
        assert "in place" in str(error)  # noqa: PT017
    else:
        z = draw(5, 70).requires_grad_()
        kept = z.detach().clone()
        assert gradient(index.log, z).isfinite().all()
        assert torch.equal(z.detach(), kept)


def test_references_in_half_precision_are_measured_in_float32():
    real = references().half()
    half, single = (KNNIndex(PRIOR, generator=GENERATOR, references=each, samples=100) for each in (real, real.float()))
    z = draw(10, 71)
    assert torch.equal(half.log(z), single.log(z))


@contextlib.contextmanager
def unchecked():
    """Switches jaxtyping's checks off, as for a user."""
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", False)


ALL = {"realism": RealismIndex, "typicality": lp.TypicalityIndex, "score": lambda prior, **o: MAKERS["score"](**o)}
ALL |= {name: lambda prior, name=name, **o: MAKERS[name](**o) for name in ("discriminator", "classifier", "neighbours")}


@pytest.mark.parametrize("name", ALL)
def test_every_index_says_what_it_wants(name):
    with unchecked():
        for seed in (1.5, "a", None, True, -1, 2**70):
            with pytest.raises(InputError, match="seed must be a whole number"):
                ALL[name](PRIOR, seed=seed)
        index = ALL[name](PRIOR, samples=50)
        for z in (torch.zeros(2, DIM).numpy(), [0.0] * DIM, "z", None):
            for ask in (index, index.log):
                with pytest.raises(InputError, match=r"z must be .*\(\.\.\., 8\)"):
                    ask(z)


def test_graph_needs_a_prior_and_an_index_of_a_score_has_one():
    lp.Restarts(3, graph=True).check(index_of("score"))
    with pytest.raises(InputError, match="graph=True needs a prior"):
        lp.Restarts(3, graph=True).check(lambda z: -z.sum(-1))
