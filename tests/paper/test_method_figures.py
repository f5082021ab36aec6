"""The figures of methods, front and contact sheet, from made-up results, and the job of the front."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import latentpath as lp
from latentpath.models import Model
from latentpath.paper.config import Config
from latentpath.paper.figures.canvas import STYLE
from latentpath.paper.figures.contact_sheet import (
    FRAMES,
    WorstPairs,
    draw_worst,
    worst_caption,
    worst_figure,
    worst_pairs,
)
from latentpath.paper.figures.front import FrontResult, draw_front, front_figure
from latentpath.paper.recipe_jobs import front, front_points, own_point
from latentpath.paper.results import LINE, METHODS, PATH, RECOMMENDED, SLERP
from latentpath.paper.statistics import Estimate
from latentpath.viz.plots.style import house_style

NAME, SIDE, D = "mnist-dcgan-normal", 8, 3
POINTS = {f"alpha {a:g}, mu {mu:g}": (a, mu) for a in (0.9, 0.98) for mu in (0.0, 0.3, 0.8)}
ASKED = {"confidence": True, "entropy": False, "nearest_pixels": False, "nearest_features": False, "precision": True}


def known(mean: float) -> dict[str, Any]:
    return Estimate(mean, mean - 0.02, mean + 0.02, 12).to_dict()


def judged_front() -> FrontResult:
    kinds = [LINE, SLERP, PATH, RECOMMENDED, *POINTS]
    rows = [
        {"name": name, "title": f"the {name}", "unit": "u", "higher_is_better": higher, "independent": True,
         "estimates": {kind: known(0.5 + (0.03 if higher else -0.03) * k) for k, kind in enumerate(kinds)}}
        for name, higher in ASKED.items()
    ]  # fmt: skip
    rows += [
        {**rows[0], "name": "discriminator", "independent": False},
        *({**rows[0], "name": name} for name in ("frechet", "recall", "smoothness")),
    ]
    directness = {kind: 0.8 + 0.05 * k for k, kind in enumerate(kinds)} | {LINE: 1.0}
    points = {**POINTS, RECOMMENDED: (0.9, 0.5)}
    own = {name: known(0.6) for name in ASKED}
    return FrontResult(NAME, points, directness, {"rows": rows, "pairs": 12}, own)


def nothing_is_cut_off(figure: Figure) -> None:
    tight = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer()).transformed(figure.dpi_scale_trans)
    assert min(tight.x0, tight.y0) >= -1
    assert tight.x1 <= figure.bbox.x1 + 1
    assert tight.y1 <= figure.bbox.y1 + 1


class TestFront:
    def test_every_independent_judge_of_frames_has_a_panel_and_better_is_up(self) -> None:
        given = judged_front()
        with house_style(STYLE):
            figure = front_figure(given)
            nothing_is_cut_off(figure)
        assert len(figure.axes) == len(ASKED)
        for axes, higher in zip(figure.axes, ASKED.values(), strict=True):
            low, high = axes.get_ylim()
            assert bool(low < high) is higher
            labels = [text.get_text() for text in axes.texts]
            assert labels == [f"{mu:g}" for _, mu in POINTS.values()]  # there is room for each

    def test_points_of_one_alpha_are_joined_in_the_order_of_mu_with_the_recommended_one(self) -> None:
        given = judged_front()
        with house_style(STYLE):
            axes = front_figure(given).axes[0]
        joined = [line.get_xdata() for line in axes.get_lines() if len(line.get_xdata()) in (3, 4)]
        at = given.directness
        expected = [[at[f"alpha {a:g}, mu {mu:g}"] for mu in (0.0, 0.3, 0.8)] for a in (0.9, 0.98)]
        expected[0].insert(2, at[RECOMMENDED])
        assert [list(each) for each in joined] == expected

    def test_the_files_hold_what_is_drawn(self, tmp_path: Path) -> None:
        files = draw_front(judged_front(), tmp_path)
        assert [file.name for file in files] == [f"front-{NAME}{suffix}" for suffix in (".png", ".svg", ".json")]
        content = json.loads(files[2].read_text(encoding="utf-8"))
        assert content["points"][RECOMMENDED] == {"alpha": 0.9, "mu": 0.5}
        assert [judge["name"] for judge in content["judges"]] == list(ASKED)
        assert content["directness"] == judged_front().directness

    def test_the_job_solves_every_point_but_the_recipes_own(self) -> None:
        prior = lp.priors.standard_normal(D)
        recipe = lp.Recipe(lp.RealismIndex(prior, alpha=0.9), lp.Ruler(0.5, data_scale=2.0, latent_scale=2.0))
        model = Model(lambda z: 2 * z, prior, name=NAME, recipe=recipe)
        config = dataclasses.replace(Config.quick(), segments=10, front_alphas=(0.9, 0.98), front_mus=(0.5, 1.0, 0.5))
        points = front_points(recipe, config)
        assert list(points.values()) == [(0.9, 1.0), (0.98, 0.5), (0.98, 1.0)]
        assert own_point(recipe) == (0.9, 0.5)
        ends = torch.tensor([[1.0, 0.5, 0.0]]), torch.tensor([[-0.5, 1.0, 0.3]])
        told: list[float] = []
        found = front(model, points, *ends, config, told.append)
        assert set(found) == {f"{p}/{f}" for p in points for f in ("latents", "length", "evaluations", "outcome")}
        assert told[-1] == 1
        again = lp.interpolate(model, *ends, method=recipe.changed(alpha=0.98, mu=1.0), segments=10,
                               tol=config.front_tol, progress=False)  # fmt: skip
        assert torch.equal(found["alpha 0.98, mu 1/latents"], again.latents)
        assert torch.equal(found["alpha 0.98, mu 1/length"], again.length)


PAIRS = 6


def record(**rows: tuple[bool, bool, list[float]]) -> dict[str, Any]:
    """Judges' rows from (higher is better, independent, numbers of the recommended path)."""
    return {
        "kinds": list(METHODS),
        "rows": [
            {"name": name, "title": name, "unit": "u", "higher_is_better": higher, "independent": independent,
             "values": {kind: mine if kind == RECOMMENDED else [0.5] * PAIRS for kind in METHODS}}
            for name, (higher, independent, mine) in rows.items()
        ],
    }  # fmt: skip


NUMBERS = [0.9, 0.2, 0.7, math.nan, 0.4, 0.8]


def sheet(given: dict[str, Any], count: int = 3) -> WorstPairs | None:
    weights = torch.randn(D, SIDE * SIDE, generator=torch.Generator().manual_seed(0))
    prior = lp.priors.standard_normal(D)
    model = Model(lambda z: (z @ weights).tanh().reshape(-1, 1, SIDE, SIDE), prior, name=NAME)

    def even(kind: str, pairs: list[int]) -> torch.Tensor:
        """Every frame of a pair has its number and its method as latents."""
        at = torch.tensor(pairs, dtype=torch.float32)[:, None, None]
        return at / PAIRS + list(METHODS).index(kind) / 10 + torch.linspace(0, 0.3, FRAMES * D).reshape(1, FRAMES, D)

    return worst_pairs(model, given, count, even)


class TestContactSheet:
    @pytest.mark.parametrize(
        ("name", "higher", "pairs"),
        [("confidence", True, (3, 1, 4)), ("nearest_features", False, (3, 0, 5))],
        ids=["higher is better", "lower is better"],
    )
    def test_the_worst_come_first_and_broken_frames_before_them(
        self, name: str, higher: bool, pairs: tuple[int, ...]
    ) -> None:
        found = sheet(record(**{name: (higher, True, NUMBERS)}))
        assert found is not None
        assert (found.pairs, found.of) == (pairs, PAIRS)

    def test_the_judge_had_no_part_in_the_model(self) -> None:
        mine = (False, True, [0.1] * 5 + [0.2])
        found = sheet(record(nearest_pixels=mine, nearest_features=(False, False, NUMBERS)))
        assert found is not None
        assert found.judge["name"] == "nearest_pixels"
        assert found.pairs[0] == 5
        assert sheet(record(nearest_features=(False, False, NUMBERS))) is None
        assert sheet(record(confidence=(True, True, NUMBERS)), count=0) is None

    def test_every_pair_has_a_strip_of_each_method_with_its_number(self, tmp_path: Path) -> None:
        found = sheet(record(confidence=(True, True, NUMBERS)))
        assert found is not None
        with house_style(STYLE):
            figure = worst_figure(found)
            nothing_is_cut_off(figure)
        assert len([axes for axes in figure.axes if axes.images]) == 3 * len(METHODS)
        words = [text.get_text() for text in figure.texts]
        assert [words.count(name) for name in METHODS.values()] == [3] * len(METHODS)
        assert words.count("0.5") == 3 * (len(METHODS) - 1)
        assert {"0.2", "0.4", "nan"} <= set(words)
        picture, numbers = draw_worst(found, tmp_path)
        with Image.open(picture) as drawn:
            page = np.asarray(drawn.convert("RGB"))
        box = next(axes for axes in figure.axes if axes.images).get_position()
        left, top = round(box.x0 * page.shape[1]), round((1 - box.y1) * page.shape[0])
        zoom = round((box.y1 - box.y0) * page.shape[0] / SIDE)
        first = found.frames[LINE][0, 0].repeat(zoom, 0).repeat(zoom, 1)
        np.testing.assert_array_equal(page[top : top + SIDE * zoom, left : left + SIDE * zoom, :1], first)
        content = json.loads(numbers.read_text(encoding="utf-8"))
        assert [pair["pair"] for pair in content["pairs"]] == [4, 2, 5]
        assert [pair[RECOMMENDED] for pair in content["pairs"]] == [None, 0.2, 0.4]
        assert "For 0 of them" in worst_caption(found)
