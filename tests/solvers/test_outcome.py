"""A path that did not converge comes with advice, wherever its outcome is told, and the advice works."""

import json

import pytest
import torch

import latentpath as lp
from latentpath.errors import SolveError
from latentpath.interpolate import insist
from latentpath.web import views
from latentpath.web.choices import Choices
from latentpath.web.solving import Solved

F64 = torch.float64
PRIOR = lp.priors.standard_normal(2, dtype=F64)
ENDS = torch.tensor([[-1.2, 0.6], [1.4, 0.9]], dtype=F64)
FINE = {lp.Outcome.RUNNING, lp.Outcome.CONVERGED}


def picture(z):
    """Pictures (N, 1, 1, 3), curved in the latent."""
    return torch.stack([z[:, 0], z[:, 1], (2 * z).sin().sum(-1)], -1)[:, None, None, :] / 4


def solve(**options):
    return lp.interpolate(picture, PRIOR, *ENDS, **options)


def barrier(z):
    """Along the whole plane: there is no way around."""
    return -0.1 - 30 * torch.exp(-(((z[..., 0] - 0.77) / 0.004) ** 2))


@pytest.mark.parametrize("outcome", list(lp.Outcome))
def test_every_outcome_that_is_not_fine_has_advice(outcome):
    assert lp.Outcome(str(outcome)) is outcome
    assert (outcome.advice == "") is (outcome in FINE)
    if outcome.advice:
        assert outcome.advice.endswith(".")


@pytest.mark.parametrize("outcome", sorted(set(lp.Outcome) - FINE))
def test_advice_is_in_the_report_the_verdict_the_page_and_the_strict_error(outcome):
    path = solve(segments=6)
    path = lp.Path.measured(
        path.latents, path.source, outcome=(outcome,), evaluations=path.evaluations, gain=path.gain, settings={}
    )
    report = path.report()
    assert report.advice == {str(outcome): outcome.advice}
    assert outcome.advice in str(report)
    assert json.loads(report.to_json())["advice"] == {str(outcome): outcome.advice}
    assert outcome.advice in report.verdict(1e-3)
    assert outcome.advice not in report.verdict(1e-3, stopped=True)
    assert outcome.advice in views.numbers(Solved(path, [], 1.0, stopped=False), Choices())
    with pytest.raises(SolveError) as caught:
        insist(path)
    assert outcome.advice in str(caught.value)


def test_nothing_is_advised_where_all_is_well():
    report = solve(segments=6).report()
    assert report.advice == {}
    assert "advice" not in report.to_dict()


def test_several_outcomes_each_have_their_advice():
    report = solve(segments=6).report()
    mixed = lp.Report(report.rows, {"converged": 3, "stalled": 1, "unresolved": 2})
    assert list(mixed.advice) == ["stalled", "unresolved"]
    assert all(advice in str(mixed) for advice in mixed.advice.values())


def test_more_evaluations_help_where_the_budget_was_spent():
    assert solve(max_evaluations=2).outcome == (lp.Outcome.BUDGET_SPENT,)
    assert solve().outcome == (lp.Outcome.CONVERGED,)
    assert solve(max_evaluations=20, tol=0.5).outcome == (lp.Outcome.CONVERGED,)


def test_more_segments_help_where_points_are_too_few():
    few, many = (lp.interpolate(lambda z: z, barrier, *ENDS, segments=segments) for segments in (4, 10))
    assert few.outcome == (lp.Outcome.UNRESOLVED,)
    assert many.outcome == (lp.Outcome.CONVERGED,)
    assert not many.tunnels.any()
