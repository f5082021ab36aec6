"""The paper's figures show exactly the pairs that were solved, and nothing of them is cut off."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import latentpath as lp
from latentpath.decoding import chords
from latentpath.models import Model
from latentpath.models.sampling import draw as sample
from latentpath.paper.figures.canvas import GAP, STYLE
from latentpath.paper.figures.catalogue import FIGURES, caption, draw
from latentpath.paper.figures.selection import DRAWN_KINDS, Selection, shown_points
from latentpath.paper.results import ModelResult
from latentpath.value_range import pixels
from latentpath.viz.plots.plane import plane_coordinates
from latentpath.viz.plots.style import colour, house_style

D, SEGMENTS, SIDE = 4, 11, 28
NAMES = sorted({name for spec in FIGURES.values() for name in spec.models})


def made_up(name: str, pairs: int = 3, segments: int = SEGMENTS, bend: float = 1.0) -> ModelResult:
    """Curves of a linear generator of pictures; the paths are bent lines."""
    random = torch.Generator().manual_seed(sum(name.encode()))
    channels = 3 if "celeba" in name else 1
    weights = torch.randn(D, channels * SIDE * SIDE, generator=random)
    prior = lp.priors.semicircle(D) if "semicircle" in name else lp.priors.standard_normal(D)
    kind = "semicircle" if "semicircle" in name else "normal"
    card = {"prior": {"name": kind, "dim": D}, "sha256": "0" * 64}
    model = Model(lambda z: (z @ weights).tanh().reshape(-1, channels, SIDE, SIDE), prior, name=name, card=card)
    start, end = torch.randn(2, pairs, D, generator=random)
    line = lp.lerp(start, end, segments)
    away = torch.sin(torch.linspace(0, torch.pi, segments + 1))[:, None] * torch.randn(pairs, 1, D, generator=random)
    path = torch.cat([line[:, :1], (line + bend * away)[:, 1:-1], line[:, -1:]], dim=1)
    curves = {"straight line": line, "slerp": lp.slerp(start, end, segments), "path": path}
    ri = {kind: torch.rand(pairs, segments + 1, generator=random) for kind in curves}
    steps = {kind: chords((z @ weights).tanh()) for kind, z in curves.items()}
    cost = {kind: 10 * torch.rand(pairs, generator=random) for kind in curves}
    length = {kind: value.sum(-1) for kind, value in steps.items()}
    return ModelResult(name, model, 0.9, curves, ri, steps, cost, length, "draws of the prior")


@pytest.fixture(scope="module")
def solved() -> dict[str, ModelResult]:
    return {name: made_up(name) for name in NAMES}


@pytest.fixture(scope="module")
def drawn(solved: dict[str, ModelResult], tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], list[Path]]:
    """The files of a figure, drawn once for all tests."""
    folder = tmp_path_factory.mktemp("figures") / "new"
    return cache(lambda number: draw(number, solved, folder))


def figure_of(number: int, solved: dict[str, ModelResult]) -> Figure:
    spec = FIGURES[number]
    with house_style(STYLE):
        chosen = [Selection.first(solved[name], spec.pairs, spec.last) for name in spec.models]
        return spec.layout(f"Figure {number}. {spec.title}", chosen)


def embedded(svg: Path) -> list[np.ndarray]:
    """The pictures within an SVG, from top to bottom as they were drawn."""
    found = []
    for image in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}image"):
        data = image.get("{http://www.w3.org/1999/xlink}href").partition("base64,")[2]
        with Image.open(BytesIO(base64.b64decode(data))) as picture:
            found.append(np.asarray(picture.convert("RGB")))
    return found


def close(found: object, expected: torch.Tensor) -> None:
    """JSON has six significant digits."""
    np.testing.assert_allclose(np.asarray(found, dtype=float), expected.numpy(), rtol=6e-6, atol=1e-12)


def test_the_paper_has_nine_figures_of_shipped_models() -> None:
    assert list(FIGURES) == list(range(1, 10))
    assert set(NAMES) <= set(lp.models.available())


@pytest.mark.parametrize("number", FIGURES)
def test_every_figure_draws_and_says_what_it_shows(
    number: int, solved: dict[str, ModelResult], drawn: Callable[[int], list[Path]]
) -> None:
    spec, files = FIGURES[number], drawn(number)
    assert [file.name for file in files] == [f"figure-{number}{suffix}" for suffix in (".png", ".svg", ".json")]
    assert not list(files[0].parent.glob("*partial*"))
    with Image.open(files[0]) as picture:
        picture.verify()
    assert files[0].stat().st_size < 1_500_000
    assert files[1].stat().st_size < 1_000_000
    content = json.loads(files[2].read_text(encoding="utf-8"))
    assert content["figure"] == number
    assert content["caption"] == caption(number, solved)
    assert "alpha = 0.9" in content["caption"]
    assert [record["model"] for record in content["models"]] == list(spec.models)
    for record in content["models"]:
        given = solved[record["model"]]
        assert record["alpha"] == 0.9
        assert record["segments"] == SEGMENTS
        expected = [spec.pairs] if spec.last else list(range(1, spec.pairs + 1))
        assert [pair["pair"] for pair in record["pairs"]] == expected
        shown = [0, 5, 11]
        assert record.get("points_shown") == (shown if "frames" in spec.shows else None)
        if "prior" in spec.shows:
            close(record["prior_samples"], sample(given.model.prior, 1500, torch.Generator().manual_seed(0))[:, :2])
        for pair in record["pairs"]:
            row = pair["pair"] - 1
            for kind in DRAWN_KINDS:
                z = given.curves[kind][row]
                close(pair["cost"][kind], given.cost[kind][row])
                close(pair["length"][kind], given.length[kind][row])
                values = {
                    "frames": ("latents", z[shown]),
                    "plane": ("plane", plane_coordinates(z)),
                    "first two": ("first_two", z[:, :2]),
                    "steps": ("steps", given.steps[kind][row]),
                    "ri": ("ri", given.ri[kind][row]),
                }
                for what, (name, value) in values.items():
                    assert (name in pair) == (what in spec.shows)
                    assert (name in content["about"]) == (what in spec.shows)
                    if what in spec.shows:
                        close(pair[name][kind], value)


@pytest.mark.parametrize("number", [1, 3, 7, 9])  # between them they have everything that is drawn
def test_the_same_pairs_give_the_same_bytes(
    number: int, solved: dict[str, ModelResult], drawn: Callable[[int], list[Path]], tmp_path: Path
) -> None:
    before = [file.read_bytes() for file in drawn(number)]
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002  (matplotlib's own)
    assert [file.read_bytes() for file in draw(number, solved, tmp_path)] == before


@pytest.mark.parametrize("number", [n for n, spec in FIGURES.items() if "frames" in spec.shows])
def test_strips_are_the_frames_pixel_for_pixel(
    number: int, solved: dict[str, ModelResult], drawn: Callable[[int], list[Path]]
) -> None:
    spec = FIGURES[number]
    png, svg, _ = drawn(number)
    strips = []
    for name in spec.models:
        given = solved[name]
        for row in range(spec.pairs):
            for kind in DRAWN_KINDS:
                frames = pixels(given.model.generator(given.curves[kind][row, [0, 5, 11]]))
                sheet = np.full((SIDE, 3 * SIDE + 2 * GAP, 3), 255, dtype=np.uint8)
                for k in range(3):
                    sheet[:, k * (SIDE + GAP) : k * (SIDE + GAP) + SIDE] = frames[k]
                strips.append(sheet)
    with Image.open(png) as picture:
        page = np.asarray(picture.convert("RGB"))
    height, width = page.shape[:2]
    boxes = [axes.get_position() for axes in figure_of(number, solved).axes if axes.images]
    assert len(boxes) == len(strips)
    for box, expected in zip(boxes, strips, strict=True):
        left, right = round(box.x0 * width), round(box.x1 * width)
        top, bottom = round((1 - box.y1) * height), round((1 - box.y0) * height)
        zoom = (bottom - top) // SIDE
        assert zoom >= 1
        np.testing.assert_array_equal(page[top:bottom, left:right], expected.repeat(zoom, 0).repeat(zoom, 1))
    # an SVG holds the frames' own pixels, the right way up
    assert all(np.array_equal(found, expected) for found, expected in zip(embedded(svg), strips, strict=True))


@pytest.mark.parametrize("pairs", [1, 3])
@pytest.mark.parametrize("number", [number for number in FIGURES if number != 9])  # which is laid out like 8
def test_nothing_is_cut_off(number: int, pairs: int) -> None:
    figure = figure_of(number, {name: made_up(name, pairs, bend=3.0) for name in FIGURES[number].models})
    with house_style(STYLE):
        renderer = FigureCanvasAgg(figure).get_renderer()
        tight = figure.get_tightbbox(renderer).transformed(figure.dpi_scale_trans)
    assert tight.x0 >= -1
    assert tight.y0 >= -1
    assert tight.x1 <= figure.bbox.x1 + 1
    assert tight.y1 <= figure.bbox.y1 + 1
    assert 3 < figure.get_figwidth() <= 7.01


def test_bars_and_lines_are_the_given_numbers_on_one_scale(solved: dict[str, ModelResult]) -> None:
    given = solved["celeba-dcgan-normal"]
    line, path, index = figure_of(8, solved).axes
    for axes, kind in ((line, "straight line"), (path, "path")):
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], given.steps[kind][2], rtol=1e-6)
        assert axes.get_ylim() == line.get_ylim()
    for drawn, kind in zip(index.get_lines(), DRAWN_KINDS, strict=True):
        np.testing.assert_array_equal(drawn.get_ydata(), given.ri[kind][2])
        assert drawn.get_color() == colour(kind)


def test_a_single_pair_will_do(tmp_path: Path) -> None:
    one = {name: made_up(name, pairs=1) for name in NAMES}
    for number in (4, 8):  # of all others the layout is tested with one pair, too
        content = json.loads(draw(number, one, tmp_path)[2].read_text(encoding="utf-8"))
        assert all([pair["pair"] for pair in record["pairs"]] == [1] for record in content["models"])


def test_what_is_not_finite_is_null(solved: dict[str, ModelResult], tmp_path: Path) -> None:
    name = "celeba-wae"
    broken = {**solved[name].steps, "path": torch.full_like(solved[name].steps["path"], torch.nan)}
    given = replace(solved[name], steps=broken, cost={kind: torch.full((3,), math.inf) for kind in DRAWN_KINDS})
    content = json.loads(draw(9, {name: given}, tmp_path)[2].read_text(encoding="utf-8"))
    (pair,) = content["models"][0]["pairs"]
    assert pair["cost"] == {"straight line": None, "path": None}
    assert pair["steps"]["path"] == [None] * SEGMENTS
    close(pair["steps"]["straight line"], given.steps["straight line"][0])


@pytest.mark.parametrize("number", [n for n, spec in FIGURES.items() if "frames" in spec.shows])
def test_every_strip_has_its_cost_and_length(number: int, solved: dict[str, ModelResult]) -> None:
    texts = " ".join(text.get_text().replace("\n", ", ") for text in figure_of(number, solved).texts)
    for name in FIGURES[number].models:
        for kind in DRAWN_KINDS:
            for row in range(FIGURES[number].pairs):
                cost, length = float(solved[name].cost[kind][row]), float(solved[name].length[kind][row])
                assert f"cost {cost:.1f}, length {length:.{int(length < 1000)}f}" in texts


def test_captions_name_the_colours_that_are_drawn() -> None:
    from colorsys import rgb_to_hsv

    from matplotlib.colors import to_rgb

    hues = {kind: 360 * rgb_to_hsv(*to_rgb(colour(kind)))[0] for kind in DRAWN_KINDS}
    assert 15 < hues["path"] < 45  # orange
    assert 90 < hues["straight line"] < 170  # green
    said = " ".join(spec.text for spec in FIGURES.values())
    assert {word for word in ("red", "orange", "green", "blue") if f"({word})" in said} == {"orange", "green"}


@pytest.mark.parametrize("segments", [1, 2, 4, 5, 9, 10, 11, 50, 51, 52])
def test_every_fifth_midpoint_is_shown_unless_close_to_the_end(segments: int) -> None:
    points = shown_points(segments)
    assert points[0] == 0
    assert points[-1] == segments
    assert points[1:-1] == [i for i in range(5, segments) if i % 5 == 0 and segments - i >= 5]


def test_captions_say_which_frames_and_pairs() -> None:
    fine = {name: made_up(name, segments=51) for name in FIGURES[2].models}
    words = caption(2, fine)
    assert "every fifth of the 50 midpoints" in words.lower()
    assert "midpoint 50, close to the end, is left out" in words
    assert "Pairs 1 to 3" in words
    assert "draws of the prior" in words
    even = {name: made_up(name, segments=50) for name in FIGURES[2].models}
    assert "left out" not in caption(2, even)


def test_refuses_what_it_cannot_draw(solved: dict[str, ModelResult], tmp_path: Path) -> None:
    with pytest.raises(lp.LatentPathError, match="no Figure 10: choose from 1, 2"):
        draw(10, solved, tmp_path)
    with pytest.raises(lp.LatentPathError, match="Figure 4 needs solved pairs of mnist-dcgan-normal"):
        draw(4, {name: value for name, value in solved.items() if name != "mnist-dcgan-normal"}, tmp_path)
    wae = solved["celeba-wae"]
    with pytest.raises(lp.LatentPathError, match="need \\['path'\\]"):
        draw(9, {"celeba-wae": replace(wae, curves={"straight line": wae.curves["straight line"]})}, tmp_path)
    with pytest.raises(lp.LatentPathError, match="at least one solved pair"):
        draw(9, {"celeba-wae": replace(wae, curves={kind: z[:0] for kind, z in wae.curves.items()})}, tmp_path)
    with pytest.raises(lp.LatentPathError, match="a strip needs frames"):
        draw(7, {"celeba-wae": replace(wae, model=Model(lambda z: z, wae.model.prior))}, tmp_path)
    assert list(tmp_path.iterdir()) == []
