"""Judges of frames: hand-computed numbers, closed forms, and what is said where something is missing."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor, nn

from latentpath import Model, lerp, priors
from latentpath._io import finite
from latentpath.energy import even_in_data
from latentpath.errors import InputError
from latentpath.models.metrics.distances import frechet_distance, frechet_distances
from latentpath.models.metrics.precision import neighbour_radii, precision_recall, within_manifold
from latentpath.paper.judges.evaluation import judge
from latentpath.paper.judges.judgements import Judgement, Judgements, SetJudgement
from latentpath.paper.judges.records import is_complete, record
from latentpath.paper.results import LINE, PATH

PIXELS = (1, 2, 2)


def images_of(grey: Tensor) -> Tensor:
    """Numbers ``(...)`` in 0..255 as even images ``uint8 (..., 1, 2, 2)``."""
    return grey.to(torch.uint8)[..., None, None, None].expand(*grey.shape, *PIXELS).contiguous()


def shown(grey: Tensor) -> Tensor:
    """The same as frames in [-1, 1]."""
    return images_of(grey).float() / 127.5 - 1


class Spread(nn.Module):
    """Latents ``(N, D)`` to even images whose grey is a function of the first coordinate."""

    def __init__(self, power: float = 1.0) -> None:
        super().__init__()
        self.power = power

    def forward(self, latents: Tensor) -> Tensor:
        return latents[:, 0].pow(self.power)[:, None, None, None].expand(-1, *PIXELS)


def a_model(**parts: object) -> Model:
    return Model(Spread(), priors.standard_normal(2), name="even", **parts)  # type: ignore[arg-type]


def first_pixel(images: Tensor) -> Tensor:
    return images.flatten(1)[:, :1]


def values(found: Judgements, name: str, kind: str = "line") -> list[float]:
    judged = found[name]
    assert isinstance(judged, Judgement)
    return judged.values[kind].tolist()


def whys(found: Judgements) -> dict[str, str]:
    return {left.criterion.name: left.why for left in found.missing}


GREYS = torch.tensor([[0, 10, 30, 255], [0, 100, 200, 255]])


def test_nearest_distances_and_what_is_said_of_the_ends_are_those_computed_by_hand() -> None:
    real = images_of(torch.tensor([0, 20, 90, 250]))
    found = judge(a_model(), {"line": shown(GREYS)}, real, features=first_pixel, neighbours=3)
    step = 1 / 127.5  # of a grey; a pixel's, and there are four: twice as far
    assert values(found, "nearest_features") == pytest.approx([10 * step, 30 * step], rel=1e-5)
    assert values(found, "nearest_pixels") == pytest.approx([20 * step, 60 * step], rel=1e-5)
    pixels = found["nearest_pixels"]
    assert isinstance(pixels, Judgement)
    assert pixels.ends is not None
    assert pixels.ends.tolist() == pytest.approx([5 * step, 5 * step], rel=1e-5)
    assert found["nearest_features"].criterion.unit == "Euclidean, features of the network given"


def test_frames_that_are_copies_of_real_images_are_inside_and_at_0_and_far_ones_are_outside() -> None:
    random = torch.Generator().manual_seed(0)
    real = torch.randint(0, 128, (40, *PIXELS), dtype=torch.uint8, generator=random)
    copies = (real[:20].float() / 127.5 - 1).reshape(4, 5, *PIXELS)
    far = copies.clone()
    far[:, 1:-1] = 1
    half = copies.clone()
    half[:, 1] = 1  # one of three inner frames
    curves = {"copies": copies, "far": far, "half": half}
    found = judge(a_model(), curves, real, features=lambda x: x.flatten(1))
    assert values(found, "precision", "copies") == [1] * 4
    assert values(found, "precision", "far") == [0] * 4
    assert values(found, "precision", "half") == pytest.approx([2 / 3] * 4)
    for name in ("nearest_pixels", "nearest_features"):
        assert values(found, name, "copies") == [0] * 4
        assert min(values(found, name, "far")) > 1


def test_within_manifold_is_the_precision_of_each_and_radii_are_those_by_hand() -> None:
    random = torch.Generator().manual_seed(1)
    points, reference = torch.randn(600, 3, generator=random), torch.randn(700, 3, generator=random)
    inside = within_manifold(points, reference, neighbour_radii(reference, 2))
    assert 0 < float(inside.double().mean()) == precision_recall(points, reference, 2)[0] < 1
    distances = torch.cdist(points.double(), reference.double())
    radii = torch.cdist(reference.double(), reference.double()).sort(1).values[:, 2]
    assert torch.equal(inside, (distances <= radii).any(1))
    with pytest.raises(InputError, match="more than 3 rows"):
        neighbour_radii(reference[:3])
    with pytest.raises(InputError, match="features must be"):
        within_manifold(points, reference, radii[:3])


def test_the_frechet_distance_of_normals_has_its_closed_form_and_its_interval_covers_it() -> None:
    """Features N(1, 4 I) against N(0, I) in three dimensions: 3 (1 + (2 - 1)^2) = 6."""
    random = torch.Generator().manual_seed(2)
    known = torch.randn(20_000, 3, generator=random, dtype=torch.float64)
    groups = 1 + 2 * torch.randn(400, 20, 3, generator=random, dtype=torch.float64)
    weights = torch.ones(1, 400)
    assert float(frechet_distances(groups, known, weights)) == pytest.approx(6, rel=0.05)


@pytest.mark.parametrize("most", [2**26, 0])
def test_weights_are_repetitions(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentpath.models.metrics.distances._PRODUCTS", most)  # products of all groups, or none held
    random = torch.Generator().manual_seed(3)
    groups = torch.randn(5, 4, 3, generator=random, dtype=torch.float64) + 2
    known = torch.randn(30, 3, generator=random, dtype=torch.float64) * torch.tensor([1, 2, 0])  # singular
    weights = torch.tensor([[1, 1, 1, 1, 1], [0, 3, 0, 1, 1], [0, 0, 5, 0, 0]])
    found = frechet_distances(groups, known, weights)
    for each, row in zip(found.tolist(), weights, strict=True):
        assert each == pytest.approx(frechet_distance(groups.repeat_interleave(row, 0).flatten(0, 1), known), rel=1e-9)
    assert frechet_distances(groups, known, weights[:0]).shape == (0,)
    with pytest.raises(InputError, match="at least two rows"):
        frechet_distances(groups, known, torch.zeros(1, 5))
    with pytest.raises(InputError, match=r"weights \(R, B\)"):
        frechet_distances(groups, known, torch.ones(1, 4))


def test_the_distance_of_a_set_is_that_of_its_inner_frames_with_an_interval_over_pairs() -> None:
    random = torch.Generator().manual_seed(4)
    real = torch.randint(0, 256, (500, *PIXELS), dtype=torch.uint8, generator=random)
    ends = torch.zeros(30, 1, *PIXELS)
    near = torch.cat([ends, torch.rand(30, 6, *PIXELS, generator=random) * 2 - 1, ends], 1)
    far = near.clone()
    far[:, 1:-1] = near[:, 1:-1] / 4
    found = judge(a_model(), {"near": near, "far": far}, real, features=lambda x: x.flatten(1), resamples=200)
    whole = found["frechet"]
    assert isinstance(whole, SetJudgement)
    vectors = real.flatten(1) / 127.5 - 1
    for kind, frames in (("near", near), ("far", far)):
        exact = frechet_distance(frames[:, 1:-1].reshape(180, 4), vectors)
        assert whole.values[kind] == pytest.approx(exact, rel=1e-5, abs=1e-7)
        told = whole.estimate(kind)
        assert 0 <= told.low < exact < told.high
        assert (told.n, told.left_out) == (30, 0)
    gain = whole.difference("far", "near")
    assert gain.low > 0
    swapped = whole.difference("near", "far")
    assert (swapped.mean, swapped.low, swapped.high) == pytest.approx((-gain.mean, -gain.high, -gain.low))
    same = judge(a_model(), {"a": near, "b": near}, real, features=lambda x: x.flatten(1), resamples=50)["frechet"]
    assert (same.difference("a", "b").low, same.difference("a", "b").high) == (0, 0)


def test_the_interval_of_the_distance_covers_what_so_many_pairs_have_on_average() -> None:
    """Pairs of 10 frames around a centre of the pair's own: the mean of 300 sets of 40 pairs, against 60 intervals."""
    random = torch.Generator().manual_seed(5)
    real = torch.randint(0, 256, (500, 1, 1, 2), dtype=torch.uint8, generator=random)
    vectors, once = real.flatten(1) / 127.5 - 1, torch.ones(1, 40)

    def pairs() -> Tensor:
        centres = torch.randn(40, 1, 2, generator=random)
        return 0.5 + centres + 0.3 * torch.randn(40, 10, 2, generator=random)

    average = float(torch.cat([frechet_distances(pairs(), vectors, once) for _ in range(300)]).mean())
    curves = {str(i): torch.nn.functional.pad(pairs(), (0, 0, 1, 1))[:, :, None, None] for i in range(60)}
    whole = judge(a_model(), curves, real, features=lambda x: x.flatten(1), manifold=50, resamples=200)["frechet"]
    told = [whole.estimate(kind) for kind in curves]
    assert 0.88 <= sum(each.low <= average <= each.high for each in told) / 60 < 1


def test_a_pair_that_is_not_finite_is_left_out_of_every_curve_and_said() -> None:
    random = torch.Generator().manual_seed(6)
    real = torch.randint(0, 256, (50, *PIXELS), dtype=torch.uint8, generator=random)
    good = torch.rand(6, 4, *PIXELS, generator=random)
    bad = good.clone()
    bad[2, 1] = torch.nan
    found = judge(a_model(), {"good": good, "bad": bad}, real, features=lambda x: x.flatten(1), resamples=20)
    for name in ("nearest_pixels", "nearest_features", "precision", "smoothness"):
        judged = found[name]
        assert isinstance(judged, Judgement)
        assert judged.values["bad"].isnan().tolist() == [False, False, True, False, False, False]
        assert judged.estimate("bad").left_out == 1
        assert not judged.values["good"].isnan().any()
    whole = found["frechet"]
    assert whole.estimate("good").left_out == 1
    assert whole.estimate("good").mean == pytest.approx(whole.estimate("bad").mean)
    assert "1 of 6 pairs not finite" in whole.estimate("bad").note


def test_confidence_and_entropy_are_those_of_the_logits() -> None:
    def logits(images: Tensor) -> Tensor:
        sure = first_pixel(images) > 0
        return torch.where(sure, torch.tensor([[math.log(9.0), 0.0]]), torch.zeros(1, 2))

    frames = shown(torch.tensor([[0, 0, 255, 255], [0, 0, 0, 0]]))
    found = judge(a_model(), {"line": frames}, classifier=logits)
    assert values(found, "confidence") == pytest.approx([(0.9 + 0.5) / 2, 0.5])
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert values(found, "entropy") == pytest.approx([(entropy + math.log(2)) / 2, math.log(2)])
    assert found["entropy"].criterion.higher_is_better is False


def test_the_discriminator_sees_the_models_own_range_and_is_marked() -> None:
    model = a_model(discriminator=first_pixel, card={"value_range": [0, 1]})
    found = judge(model, {"line": shown(torch.tensor([[0, 51, 102, 255]]))})
    assert values(found, "discriminator") == pytest.approx([(0.2 + 0.4) / 2])
    assert [each.criterion.name for each in found.judged if not each.criterion.independent] == ["discriminator"]


def test_features_of_the_models_own_encoder_are_not_independent() -> None:
    real = images_of(torch.arange(0, 250, 10))
    own = judge(a_model(encoder=lambda x: x.flatten(1)), {"line": shown(GREYS)}, real, resamples=10)
    for name in ("nearest_features", "precision", "frechet"):
        assert not own[name].criterion.independent
        assert "features of even" in own[name].criterion.unit
    assert own["nearest_pixels"].criterion.independent


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_a_straight_line_evenly_spaced_in_the_data_is_perfectly_smooth(power: float) -> None:
    model = Model(Spread(power), priors.standard_normal(2), name="even")
    line = lerp(torch.tensor([[0.1, 0.0], [0.2, 1.0]]), torch.tensor([[0.9, 1.0], [0.8, 0.0]]), segments=50)
    found = judge(model, {"line": line, "even": even_in_data(line, model.generator, 51)})
    assert values(found, "smoothness", "even") == pytest.approx([1, 1], abs=2e-3)
    cubes = [(0.9**3 - 0.884**3) / (0.9**3 - 0.1**3) * 50, (0.8**3 - 0.788**3) / (0.8**3 - 0.2**3) * 50]
    assert values(found, "smoothness") == pytest.approx([1, 1] if power == 1 else cubes, rel=1e-3)


def test_smoothness_is_the_largest_jump_over_the_mean_one() -> None:
    found = judge(a_model(), {"line": shown(GREYS)})
    assert values(found, "smoothness") == pytest.approx([225 / 85, 100 / 85], rel=1e-5)


def test_latents_are_decoded_by_chunks_and_give_what_their_frames_give() -> None:
    model = a_model(discriminator=first_pixel)
    line = lerp(torch.rand(7, 2), torch.rand(7, 2), segments=4)
    sizes: list[int] = []

    def counted(latents: Tensor) -> Tensor:
        sizes.append(len(latents))
        assert not torch.is_grad_enabled()
        return Spread()(latents)

    chunked = Model(counted, model.prior, name="even", discriminator=first_pixel)
    told: list[tuple[str, int]] = []
    real = images_of(torch.arange(0, 250, 10))
    found = judge(
        chunked,
        {"line": line},
        real,
        features=first_pixel,
        max_frames=15,
        resamples=5,
        progress=lambda kind, done: told.append((kind, done)),
    )
    assert max(sizes) <= 15
    assert told == [("line", 3), ("line", 6), ("line", 7)]
    frames = Spread()(line.flatten(0, 1)).unflatten(0, (7, 5))
    whole = judge(model, {"line": frames}, real, features=first_pixel, resamples=5)
    for name in ("nearest_pixels", "nearest_features", "precision", "discriminator", "smoothness"):
        assert values(found, name) == pytest.approx(values(whole, name), rel=1e-5, abs=1e-6)
    assert found["frechet"].estimate("line").mean == pytest.approx(whole["frechet"].estimate("line").mean, rel=1e-5)


def test_what_is_missing_is_told_with_the_reason() -> None:
    found = judge(a_model(), {"line": shown(GREYS)})
    assert [each.criterion.name for each in found.judged] == ["smoothness"]
    assert whys(found) == {
        "confidence": "the card of 'even' names no classifier of its images",
        "entropy": "the card of 'even' names no classifier of its images",
        **dict.fromkeys(("nearest_pixels", "nearest_features", "precision", "frechet"), "no real images were given"),
        "discriminator": "'even' has no discriminator",
    }
    with pytest.raises(KeyError, match="was not measured: no real images were given"):
        found["precision"]
    without = judge(a_model(), {"line": shown(GREYS)}, images_of(torch.arange(9)))
    assert "no feature network for images" in whys(without)["frechet"]
    few = judge(a_model(), {"line": shown(GREYS)}, images_of(torch.arange(3)), features=first_pixel)
    assert "needs more than 3 real images" in whys(few)["precision"]
    one = judge(a_model(), {"line": shown(GREYS[:1, :3])}, images_of(torch.arange(9)), features=first_pixel)
    assert "a covariance needs two frames" in whys(one)["frechet"]
    single = judge(a_model(), {"line": shown(GREYS[:1])}, images_of(torch.arange(9)), features=first_pixel)
    assert single["frechet"].estimate("line").note == "no interval from 1 pair"


@pytest.mark.parametrize("by_pair", [False, True])
def test_a_record_survives_json_and_is_complete(by_pair: bool) -> None:
    frames = shown(GREYS)
    frames[1, 1] = torch.nan
    found = judge(a_model(), {LINE: frames, PATH: frames})
    stored = json.loads(json.dumps(finite(record(found, "no folder", by_pair)), allow_nan=False))
    assert is_complete(stored, (LINE, PATH), 2, by_pair)
    (smoothness,) = stored["rows"]
    assert smoothness.get("values") == (
        {kind: [pytest.approx(225 / 85), None] for kind in (LINE, PATH)} if by_pair else None
    )
    assert smoothness["than_line"][PATH]["verdict"] == "not decided"
    whys_by_title = {left["title"]: left["why"] for left in stored["missing"]}
    assert whys_by_title["precision"] == "no folder"
    assert whys_by_title["own discriminator"] == "'even' has no discriminator"


def test_arguments_that_do_not_fit_are_refused() -> None:
    frames = shown(GREYS)
    for curves, message in (
        ({}, "nothing to judge"),
        ({"line": frames[:, :2]}, "one P >= 3"),
        ({"line": frames, "path": frames[:1]}, "of one B >= 1"),
        ({"line": frames, "path": frames.flip(1)}, "'path' has other ends"),
    ):
        with pytest.raises(InputError, match=message):
            judge(a_model(), curves)
    with pytest.raises(InputError, match=r"real must be uint8 \(N, 1, 2, 2\)"):
        judge(a_model(), {"line": frames}, torch.zeros(5, *PIXELS))
    with pytest.raises(InputError, match="is a generator, no classifier"):
        judge(a_model(), {"line": frames}, classifier="mnist-dcgan-semicircle")
    with pytest.raises(InputError, match="makes no images"):
        judge(Model(lambda z: z, priors.standard_normal(2)), {"line": torch.zeros(2, 3, 2)})
    with pytest.raises(InputError, match="at least 2"):
        even_in_data(torch.zeros(1, 3, 2), Spread(), 1)
