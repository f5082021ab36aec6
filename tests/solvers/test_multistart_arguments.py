"""The arguments of a search over several starts: what is refused, and the seed."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import Tensor

import latentpath as lp
from closed_forms import identity, normal_index, polar, tensor
from latentpath.errors import InputError, MissingDependencyError


def two_valleys(z: Tensor) -> Tensor:
    """A ridge along y = 0.3: below it the price is 0.7 and more, far above it little over 0.15."""
    y = z[..., 1]
    return -0.15 - torch.exp(-(((y - 0.3) / 0.4) ** 2)) - 0.55 * torch.sigmoid(-8 * (y - 0.5)) - 0.02 * (y - 1) ** 2


def test_a_seed_is_the_same_wherever_it_is_given() -> None:
    ends = polar(2, 0), polar(2, 80)
    found = [
        lp.interpolate(identity, normal_index(2), *ends, segments=12, **options).multistart.relative
        for options in (
            {"restarts": 4, "seed": 5},
            {"restarts": lp.Restarts(4, seed=5)},
            {"restarts": lp.Restarts(4, seed=5), "seed": 5},
        )
    ]
    for minima in found:
        assert minima is not None
        assert torch.equal(minima, found[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restarts": 0}, "restarts must be a whole number of at least 1"),
        ({"restarts": True}, "restarts must be a whole number of at least 1"),
        ({"restarts": 4, "seed": -1}, "seed must be a whole number of at least 0"),
        ({"restarts": lp.Restarts(seed=1), "seed": 2}, "Set it there"),
        ({"restarts": lp.Restarts(seed=3), "seed": 0}, "seed=3"),
    ],
)
def test_bad_input(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        lp.interpolate(identity, normal_index(2), polar(2, 0), polar(2, 9), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "seed", "message"),
    [(1.5, 0, "got 1.5"), ("foo", 0, "'foo'. Or \"auto\""), (4, 0.5, "got 0.5"), (4, True, "got True")],
)
def test_wrong_types(asked: object, seed: object, message: str) -> None:
    """As without the test run's own checks of types, which would come first."""
    made = lp.Restarts.__new__(lp.Restarts)
    made.__dict__.update(starts=asked, graph=None, samples=256, seed=seed)
    with pytest.raises(InputError, match=message):
        made.__post_init__()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 1}, "samples must be"),
        ({"starts": 1, "graph": True}, "at least 2"),
    ],
)
def test_bad_restarts(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        lp.Restarts(**options)  # type: ignore[arg-type]


def test_a_graph_needs_a_prior_and_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = tensor(-1.0, 0.0), tensor(1.0, 0.0)
    asked = lp.Restarts(starts=4, graph=True, samples=32)
    with pytest.raises(InputError, match="beside graph=True"):
        lp.interpolate(identity, two_valleys, *ends, restarts=asked)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[search\]'"):
        lp.interpolate(identity, normal_index(2), *ends, restarts=asked)
    path = lp.interpolate(identity, normal_index(2), *ends, restarts=4)  # the graph is optional here
    assert path.multistart is not None
    assert path.multistart.relative.isfinite().all()
