"""Judgements of sets of frames, and the model's own samples: known shares, closed forms, and any kinds of curve."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from latentpath import Model, lerp, load, priors
from latentpath._io import finite
from latentpath.errors import InputError
from latentpath.models.metrics.coverage import coverage
from latentpath.models.metrics.distances import frechet_distance
from latentpath.paper.judges import sets
from latentpath.paper.judges.criteria import criteria
from latentpath.paper.judges.evaluation import judge, stages
from latentpath.paper.judges.judgements import Judgement, Judgements, SetJudgement
from latentpath.paper.judges.records import is_complete, record
from latentpath.paper.report.judge_sentences import as_real_as_own
from latentpath.paper.report.tables import judge_table
from latentpath.paper.results import LINE, OWN

EVERY = criteria("a network", True, second=True, imagenet=True, sets=True)


def decode(latents: Tensor) -> Tensor:
    """Latents ``(N, 4)`` to images ``(N, 1, 2, 2)`` in [-1, 1]."""
    return torch.tanh(latents / 2)[:, None].unflatten(2, (2, 2))


def flat(images: Tensor) -> Tensor:
    return images.flatten(1)


MODEL = Model(decode, priors.standard_normal(4), name="small")
RANDOM = torch.Generator().manual_seed(0)
REAL = ((decode(torch.randn(800, 4, generator=RANDOM)) + 1) * 127.5).round().to(torch.uint8)


@pytest.fixture(scope="module")
def curves() -> dict[str, Tensor]:
    """Forty pairs: straight lines, and curves of which every inner frame is a sample, or the mean of the prior."""
    random = torch.Generator().manual_seed(1)
    start, end = torch.randn(2, 40, 4, generator=random)
    samples, narrow = lerp(start, end, 7), lerp(start, end, 7)
    samples[:, 1:-1] = torch.randn(40, 6, 4, generator=random)
    narrow[:, 1:-1] *= 0.1
    return {LINE: lerp(start, end, 7), "any name": samples, "narrow": narrow}


@pytest.fixture(scope="module")
def found(curves: dict[str, Tensor]) -> Judgements:
    return judge(MODEL, curves, REAL, features=flat, resamples=200, own=True)


def of_set(found: Judgements, name: str) -> SetJudgement:
    judged = found[name]
    assert isinstance(judged, SetJudgement)
    return judged


class TestFrames:
    def test_recall_is_the_share_within_balls_to_frames_of_other_pairs(self) -> None:
        """Two pairs on a line, at 0 and at 4: balls to the other pair, of a radius of about 4, reach from -4 to 8."""
        made = torch.tensor([[[0.0], [0.1], [0.0]], [[4.0], [4.1], [4.0]], [[9.0], [9.1], [9.0]]])
        frames = sets.Frames({"line": made[:2], "twice": made[:2]}, made)
        real = torch.tensor([[-3.9], [2.0], [7.9], [8.5]])
        judged = sets.recall(EVERY["recall"], frames, real, 0)
        assert isinstance(judged, SetJudgement)
        assert judged.values["line"] == judged.values["twice"] == 0.75
        assert judged.values[OWN] == 1  # the third pair's balls reach from 4 on
        assert judged.estimate("line").note == "no interval from 2 pairs"
        alone = sets.recall(EVERY["recall"], sets.Frames({"line": made[:1]}), real, 0)
        assert isinstance(alone, str)
        assert "other pairs" in alone

    def test_coverage_is_that_of_all_inner_frames(self, curves: dict[str, Tensor], found: Judgements) -> None:
        for kind, latents in curves.items():
            inner = decode(latents[:, 1:-1].flatten(0, 1)).flatten(1)
            exact = coverage(inner, REAL.flatten(1).float() / 127.5 - 1)
            assert of_set(found, "coverage").values[kind] == pytest.approx(exact, abs=2 / 800)

    def test_own_samples_are_the_ceiling_and_narrow_curves_are_told(self, found: Judgements) -> None:
        for name in ("recall", "coverage", "frechet", "two_sample"):
            judged = of_set(found, name)
            level, worse = judged.difference("any name", OWN), judged.difference("narrow", OWN)
            spread = (level.high - level.low) / 2
            assert abs(level.mean) < 2 * spread  # samples against samples, by four judges: none is off by far
            assert worse.low > 0 if not judged.criterion.higher_is_better else worse.high < 0
            told = judged.estimate(OWN)
            assert told.low <= told.mean <= told.high
        assert of_set(found, "two_sample").estimate("narrow").mean > 0.7
        assert "equal distributions give 0.5 ± 0.0" in of_set(found, "two_sample").estimate(OWN).note

    def test_subsets_vary_as_new_sets_of_pairs_do(self) -> None:
        """The interval of coverage against the spread of 60 sets of 40 pairs whose frames lie around a centre."""
        random, real = torch.Generator().manual_seed(2), torch.randn(300, 2, generator=torch.Generator().manual_seed(3))

        def pairs() -> Tensor:
            return torch.randn(40, 1, 2, generator=random) + 0.2 * torch.randn(40, 5, 2, generator=random)

        judged = sets.coverage(EVERY["coverage"], sets.Frames({str(i): pairs() for i in range(60)}), real, 0)
        assert isinstance(judged, SetJudgement)
        spread = torch.tensor(list(judged.values.values())).std()
        widths = [judged.estimate(kind).high - judged.estimate(kind).low for kind in judged.values]
        assert sum(widths) / 60 / (2 * 1.96) == pytest.approx(float(spread), rel=0.4)

    def test_too_few_pairs_and_images_are_told(self, curves: dict[str, Tensor]) -> None:
        few = judge(MODEL, {kind: each[:3] for kind, each in curves.items()}, REAL[:5], features=flat, own=True)
        why = {left.criterion.name: left.why for left in few.missing}
        assert "at least 8 pairs, there are 3" in why["two_sample"]
        assert "more than 5 real images" in why["coverage"]
        none = judge(MODEL, curves, own=True)
        missing = {left.criterion.name for left in none.missing}
        assert {"recall", "coverage", "frechet"} <= missing
        assert of_set(none, "two_sample").n == 40  # needs no real images


class TestOwnSamples:
    def test_two_independent_draws_of_the_prior_in_groups(self) -> None:
        drawn = sets.own_samples(MODEL, 5, 3, seed=0)
        assert drawn.shape == (2, 5, 3, 4)
        assert drawn.flatten(0, 2).unique(dim=0).shape == (30, 4)
        assert torch.equal(drawn, sets.own_samples(MODEL, 5, 3, seed=0))
        with pytest.raises(InputError, match="'bare' must have a prior"):
            sets.own_samples(Model(decode, None, name="bare"), 5, 3, seed=0)

    def test_they_are_judged_as_frames_are_and_change_no_other_number(
        self, curves: dict[str, Tensor], found: Judgements
    ) -> None:
        without = judge(MODEL, curves, REAL, features=flat, resamples=200)
        for name in ("nearest_pixels", "nearest_features", "precision", "frechet", "smoothness"):
            for kind in curves:
                assert without[name].estimate(kind) == found[name].estimate(kind)
                if kind != LINE:
                    assert without[name].difference(kind, LINE) == found[name].difference(kind, LINE)
        mine = decode(sets.own_samples(MODEL, 40, 6, seed=0)[0].flatten(0, 1)).flatten(1)
        real = REAL.flatten(1).float() / 127.5 - 1
        exact = torch.cdist(mine, real).amin(1).unflatten(0, (40, 6)).mean(1)
        nearest = found["nearest_pixels"]
        assert isinstance(nearest, Judgement)
        torch.testing.assert_close(nearest.values[OWN].float(), exact, rtol=1e-3, atol=1e-4)
        assert OWN not in found["smoothness"].values
        assert of_set(found, "frechet").values[OWN] == pytest.approx(frechet_distance(mine, real), rel=1e-4)
        difference = nearest.difference("narrow", OWN)
        assert difference.mean == pytest.approx(float(nearest.values["narrow"].mean() - exact.mean()), rel=1e-3)
        assert "40 against 40" in difference.note

    def test_the_progress_goes_through_its_stages(self, curves: dict[str, Tensor]) -> None:
        told: list[str] = []
        few = {kind: each[:8] for kind, each in curves.items()}
        judge(MODEL, few, own=True, progress=lambda kind, done: told.append(kind))
        assert told == stages(few, own=True)
        assert stages(few, own=False) == [*few]

    def test_a_record_has_them_and_one_of_other_judges_is_made_anew(self, found: Judgements) -> None:
        stored = json.loads(json.dumps(finite(record(found, None)), allow_nan=False))
        kinds = list(found.kinds)
        assert is_complete(stored, kinds, 40, own=True)
        assert not is_complete(stored, kinds, 40)
        assert not is_complete({**stored, "panel": {"format": 1}}, kinds, 40, own=True)
        assert not is_complete({key: stored[key] for key in stored if key != "panel"}, kinds, 40, own=True)
        rows = {row["name"]: row for row in stored["rows"]}
        assert rows["two_sample"]["than_own"]["narrow"]["verdict"] == "does not hold"
        assert rows["nearest_pixels"]["than_line"][OWN]["measured"]["n"] == 80  # not paired
        assert rows["smoothness"]["than_own"] == {}
        head, _, *lines = judge_table(stored).splitlines()
        assert [cell.strip() for cell in head.strip("|").split("|")] == ["judge", *kinds, OWN, "endpoints"]
        assert all(line.count("|") == head.count("|") for line in lines)
        counted = [row["than_own"]["narrow"]["verdict"] for row in stored["rows"] if row["than_own"]]
        better, worse = counted.count("holds"), counted.count("does not hold")
        assert f"narrow {better} better, {worse} worse, {len(counted) - better - worse} not" in as_real_as_own(stored)


def test_digits_have_a_second_classifier_of_another_architecture() -> None:
    model = load("mnist-dcgan-normal")
    assert model.prior is not None
    line = lerp(*priors.standard_normal(20).sample(torch.Size([2, 4])), segments=4)
    judged = judge(model, {LINE: line})
    first, second = judged["confidence"], judged["confidence_second"]
    assert isinstance(first, Judgement)
    assert isinstance(second, Judgement)
    assert not torch.equal(first.values[LINE], second.values[LINE])
    assert second.criterion.needs != first.criterion.needs
    other = judge(model, {LINE: line}, classifier=load("mnist-classifier").generator)  # of images that may be no digits
    assert "confidence_second" not in [each.criterion.name for each in (*other.judged, *other.missing)]


class TestColour:
    def test_images_in_colour_are_judged_in_imagenet_features(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def few(images: Tensor) -> Tensor:
            return images.flatten(1)[:, :5]

        monkeypatch.setattr("latentpath.paper.judges.panel.installed", lambda: True)
        monkeypatch.setattr("latentpath.paper.judges.panel.imagenet_features", lambda: few)
        frames = torch.rand(5, 6, 3, 8, 8, generator=RANDOM) * 2 - 1
        real = torch.randint(0, 256, (60, 3, 8, 8), dtype=torch.uint8, generator=RANDOM)
        model = Model(lambda z: z.reshape(-1, 3, 8, 8).tanh(), priors.standard_normal(192), name="colour")
        judged = judge(model, {LINE: frames}, real, features=flat, own=True)
        names = [each.criterion.name for each in judged.judged]
        every = [f"{name}_imagenet" for name in ("nearest", "precision", "recall", "coverage")]
        assert [name for name in names if name in every] == every
        nearest = torch.cdist(few(frames[:, 1:-1].flatten(0, 1)), few(real / 127.5 - 1)).amin(1)
        assert judged["nearest_imagenet"].estimate(LINE).mean == pytest.approx(float(nearest.mean()), rel=1e-4)
        monkeypatch.setattr("latentpath.paper.judges.panel.installed", lambda: False)
        judged = judge(model, {LINE: frames}, real, features=flat, own=True)
        why = {left.criterion.name: left.why for left in judged.missing}
        assert all("not installed" in why[name] for name in every)
