"""Figures show what they were given, exactly where that can be said, and nothing of them is cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import latentpath as lp
from latentpath.value_range import pixels
from latentpath.viz import plots
from latentpath.viz.plots.plane import plane_coordinates
from latentpath.viz.plots.prior_map import MASSES, prior_density
from latentpath.viz.plots.style import colour


def rendered(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def curves(pairs: int = 3, segments: int = 12, dim: int = 5) -> dict[str, torch.Tensor]:
    start, end = torch.randn(pairs, dim), torch.randn(pairs, dim)
    line = lp.lerp(start, end, segments)
    bend = torch.sin(torch.linspace(0, torch.pi, segments + 1))[:, None] * torch.randn(pairs, 1, dim)
    return {"straight line": line, "slerp": lp.slerp(start, end, segments), "path": line + bend}


def all_figures(pairs: int) -> dict[str, Figure]:
    found = curves(pairs)
    frames = {name: z[..., :4].tanh().reshape(pairs, 13, 1, 2, 2) for name, z in found.items()}
    steps = {name: z.diff(dim=1).norm(dim=-1) for name, z in found.items()}
    return {
        "strips": plots.strips(frames, every=4, notes={"path": ["cost 1.2\nmean ri 0.5"] * pairs}, title="Strips"),
        "profiles": plots.profiles({name: z.norm(dim=-1).neg().exp() for name, z in found.items()}, steps, title="T"),
        "plane": plots.plane(found, title="Seen in the plane of the endpoints"),
        "map": plots.prior_map(torch.randn(3000, 5), found, strong=1, title="Over the prior"),
    }


def test_projection_of_points_in_the_plane_is_exact() -> None:
    start, end = torch.randn(2, 4, 1, 7, dtype=torch.double)
    weights = torch.randn(4, 9, 2, dtype=torch.double)
    weights[:, 0], weights[:, -1] = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    latents = weights[..., :1] * start + weights[..., 1:] * end
    torch.testing.assert_close(plane_coordinates(latents), weights)


def test_projection_is_least_squares() -> None:
    latents = torch.randn(11, 7, dtype=torch.double)
    expected = np.linalg.lstsq(latents[[0, -1]].T.numpy(), latents.T.numpy(), rcond=None)[0].T
    np.testing.assert_allclose(plane_coordinates(latents).numpy(), expected, atol=1e-12)


def test_a_straight_line_projects_to_a_straight_line() -> None:
    found = plane_coordinates(lp.lerp(torch.randn(2, 6).double(), torch.randn(2, 6).double(), 10))
    t = torch.linspace(0, 1, 11, dtype=torch.double)
    torch.testing.assert_close(found, torch.stack([1 - t, t], -1).expand(2, 11, 2))


@pytest.mark.parametrize("factor", [2.0, -1.0, 1.0, 0.0])
def test_projection_of_parallel_endpoints_is_the_least_norm_one(factor: float) -> None:
    start = torch.randn(6, dtype=torch.double)
    latents = torch.stack([start, torch.randn(6, dtype=torch.double), factor * start + 1e-9])
    found = plane_coordinates(latents)
    expected = torch.tensor([1.0, factor], dtype=torch.double) / (1 + factor**2)
    torch.testing.assert_close(found[0], expected, atol=1e-6, rtol=0)
    assert float(found.abs().max()) < 10
    plots.plane({"straight line": latents})


def test_strips_show_the_frames_pixel_for_pixel() -> None:
    frames = {name: torch.rand(2, 11, 3, 7, 5) * 2 - 1 for name in ("straight line", "path")}
    picture = rendered(plots.strips(frames, every=5))
    # One row of axes for each strip, in the order of pairs, then names.
    figure = plots.strips(frames, every=5)
    height, width = picture.shape[:2]
    boxes = [axes.get_position() for axes in figure.axes]
    order = [(name, pair) for pair in range(2) for name in frames]
    assert len(boxes) == len(order)
    for box, (name, pair) in zip(boxes, order, strict=True):
        left, right = round(box.x0 * width), round(box.x1 * width)
        top, bottom = round((1 - box.y1) * height), round((1 - box.y0) * height)
        zoom = (bottom - top) // 7
        assert zoom > 1
        strip = picture[top:bottom, left:right]
        gap = (right - left - 3 * 5 * zoom) // 2
        for k, i in enumerate((0, 5, 10)):
            x = k * (5 * zoom + gap)
            expected = pixels(frames[name][pair, i]).repeat(zoom, 0).repeat(zoom, 1)
            np.testing.assert_array_equal(strip[:, x : x + 5 * zoom], expected)


def test_strips_always_show_the_last_frame() -> None:
    figure = plots.strips({"path": torch.zeros(10, 1, 3, 3)}, every=4)
    assert {"0", "4", "8", "9"} <= {text.get_text() for text in figure.texts}


@pytest.mark.parametrize("pairs", [1, 4])
def test_nothing_is_cut_off_and_nothing_overlaps(pairs: int) -> None:
    for name, figure in all_figures(pairs).items():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        canvas = figure.bbox
        # A tight box reaches at most a pixel out of the canvas, for rounding.
        tight = figure.get_tightbbox(renderer).transformed(figure.dpi_scale_trans)
        assert tight.x0 >= -1, name
        assert tight.y0 >= -1, name
        assert tight.x1 <= canvas.x1 + 1, name
        assert tight.y1 <= canvas.y1 + 1, name
        for legend in figure.legends:
            box = legend.get_window_extent(renderer)
            others = [axes.get_tightbbox(renderer) for axes in figure.axes if axes.get_visible()]
            others += [figure._suptitle.get_window_extent(renderer)]
            assert not any(box.overlaps(other) for other in others), name


def test_axes_have_labels_and_curves_have_the_colours_of_their_names() -> None:
    figures = all_figures(2)
    for name in ("profiles", "plane", "map"):
        figure = figures[name]
        assert any(axes.get_xlabel() for axes in figure.axes), name
        assert any(axes.get_ylabel() for axes in figure.axes), name
        drawn = {line.get_color() for axes in figure.axes for line in axes.get_lines()}
        assert {colour(kind) for kind in ("straight line", "slerp", "path")} <= drawn
        keys = {key.get_label(): key for key in figure.legends[0].get_lines()}
        assert all(keys[kind].get_color() == colour(kind) for kind in ("straight line", "slerp", "path"))
    left, right = figures["profiles"].axes
    assert "realism index ri" in left.get_ylabel()
    assert "data-space step" in right.get_ylabel()


def test_profiles_draw_the_median() -> None:
    ri, steps = torch.rand(6, 9), torch.rand(6, 8)
    left, right = plots.profiles({"path": ri}, {"path": steps}).axes
    np.testing.assert_allclose(left.get_lines()[0].get_ydata(), ri.quantile(0.5, dim=0), rtol=1e-6)
    np.testing.assert_allclose(right.get_lines()[0].get_ydata(), steps.quantile(0.5, dim=0), rtol=1e-6)
    assert left.get_lines()[0].get_xdata()[[0, -1]].tolist() == [0, 1]


def test_density_regions_hold_their_share_of_the_prior() -> None:
    mixture = lp.priors.semicircle(3)
    x, y, density, levels = prior_density(mixture.sample((100_000,))[:, :2].double(), torch.zeros(1, 2).double())
    fresh = mixture.sample((20_000,))[:, :2].numpy()
    i, j = (np.abs(grid - values[:, None]).argmin(1) for grid, values in ((x, fresh[:, 0]), (y, fresh[:, 1])))
    held = [(density[i, j] >= level).mean() for level in levels]
    np.testing.assert_allclose(held, MASSES, atol=0.012)


def test_figures_leave_the_callers_style_alone() -> None:
    before = dict(rcParams)
    all_figures(1)
    assert dict(rcParams) == before


def test_save_writes_whole_or_not_at_all(tmp_path: Path) -> None:
    figure = all_figures(1)["profiles"]
    plots.save(figure, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        image.verify()
    with pytest.raises(ValueError, match="not supported"):
        plots.save(figure, tmp_path / "a.nonsense")
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_refuses_what_it_cannot_draw() -> None:
    with pytest.raises(lp.LatentPathError, match="frames"):
        plots.strips({"path": torch.zeros(4, 2, 3, 3)})
    with pytest.raises(lp.LatentPathError, match="every"):
        plots.strips({"path": torch.zeros(4, 1, 3, 3)}, every=0)
    with pytest.raises(lp.LatentPathError, match="same number of pairs"):
        plots.plane({"path": torch.randn(2, 5, 3), "slerp": torch.randn(1, 5, 3)})
    with pytest.raises(lp.LatentPathError, match="samples"):
        plots.prior_map(torch.randn(10, 3), {"path": torch.randn(5, 3)})


def test_threads_that_draw_at_the_same_time_draw_what_each_draws_alone(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def drawn(i: int) -> bytes:
        file = tmp_path / f"{i}.svg"
        ri = torch.linspace(0.1, 0.9, 5 + i % 4)
        plots.save(plots.profiles({"path": ri}, {"path": ri[1:]}), file)
        return file.read_bytes()

    alone = [drawn(i) for i in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(drawn, range(4, 20))) == alone * 4
