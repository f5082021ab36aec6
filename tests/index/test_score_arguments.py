"""Arguments of the indices of scores: refusals, seeds, modes and dtypes."""

from __future__ import annotations

import contextlib

import pytest
import torch
from jaxtyping import config
from score_examples import (
    CLASSIFIER,
    DIM,
    DISCRIMINATOR,
    F64,
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
from latentpath.errors import GeneratorError, InputError
from latentpath.index import ClassifierIndex, DiscriminatorIndex, KNNIndex, PriorIndex, RealismIndex, ScoreIndex
from latentpath.priors import uniform_box


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
    with pytest.raises(InputError, match="beside graph=True"):
        lp.Restarts(3, graph=True).check(lambda z: -z.sum(-1))
