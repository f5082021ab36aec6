"""The page without a browser: settings, clicks, solves, and the lines of Python."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import latentpath as lp
from latentpath.errors import GeneratorError, InputError, LatentPathError
from latentpath.web import views
from latentpath.web.choices import LIMITS, Choices
from latentpath.web.methods import in_code, paper_in_code
from latentpath.web.sessions import SAMPLES, Keyframe, Session
from latentpath.web.solving import Glimpse, Solved, solve
from latentpath.web.studio import MOST_KEYFRAMES, Studio, shipped

DIGITS = "mnist-dcgan-semicircle"


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio([DIGITS], tmp_path)


@pytest.fixture
def session(studio: Studio) -> Session:
    return studio.sessions.of("a visitor")


@pytest.mark.parametrize("name", sorted(LIMITS))
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e308, -1e308, "1", None, True, [1], {}])
def test_no_number_of_the_page_can_be_nonsense(name: str, bad: object) -> None:
    with pytest.raises(InputError, match="must be"):
        Choices.of({name: bad})


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_limits_are_within_the_limits(name: str) -> None:
    limit = LIMITS[name]
    for value in (limit.low, limit.high, limit.default):
        assert getattr(Choices.of({name: value}), name) == value
    for value in (limit.low - 1, limit.high + 1):
        with pytest.raises(InputError):
            Choices.of({name: value})
    if limit.whole:
        with pytest.raises(InputError):
            Choices.of({name: limit.default + 0.5})


@pytest.mark.parametrize("bad", ["", "../data", "DATA", 3, None, ["data"], "x" * 10_000])
def test_words_are_those_that_there_are(bad: object) -> None:
    for name in ("spacing", "solver", "loop"):
        with pytest.raises(InputError, match="must be one of") as caught:
            Choices.of({name: bad})
        assert len(str(caught.value)) < 200


def test_a_click_picks_and_a_click_drops(studio: Studio, session: Session) -> None:
    studio.pick(session, 7)
    assert [keyframe.sample for keyframe in session.keyframes] == [0, 1, 7]
    studio.drop(session, 0)
    assert [keyframe.sample for keyframe in session.keyframes] == [1, 7]
    studio.reseed(session, 3)
    assert [keyframe.seed for keyframe in session.keyframes] == [0, 0]
    for bad in (-1, SAMPLES, 1.0, "1", None, True, [0]):
        with pytest.raises(InputError):
            studio.pick(session, bad)
        with pytest.raises(InputError):
            studio.drop(session, 99 if bad is True else bad)
    while len(session.keyframes) < MOST_KEYFRAMES:
        studio.pick(session, 2)
    with pytest.raises(InputError, match="at most"):
        studio.pick(session, 2)


def test_a_click_on_the_map_moves_a_keyframe_there(studio: Studio, session: Session, tmp_path: Path) -> None:
    place = views.unsolved_map(session.keyframes, studio.model(DIGITS), tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as picture:
        pixels = picture.convert("RGB")
    # the start is a dark disc: its pixel must lie where the map says that it lies
    x, y = session.keyframes[0].latent[:2].tolist()
    column, row = (x - place.left) / place.right, (y - place.top) / place.down
    assert 0 < column < pixels.width
    assert 0 < row < pixels.height
    assert sum(pixels.getpixel((round(column), round(row)))) < 250
    assert place.at(column, row) == pytest.approx((x, y))
    rest = session.keyframes[0].latent[2:].clone()
    studio.move(session, 0, x + 0.5, y - 0.25)
    assert session.keyframes[0].latent[:2].tolist() == pytest.approx([x + 0.5, y - 0.25], rel=1e-5)
    assert torch.equal(session.keyframes[0].latent[2:], rest)
    with pytest.raises(InputError, match="margin"):
        place.at(3, 3)
    with pytest.raises(InputError, match="too far"):
        studio.move(session, 0, 1e9, 0.0)
    with pytest.raises(InputError, match="too far"):
        studio.move(session, 0, float("nan"), 0.0)


def test_only_generators_of_pictures_are_shown(tmp_path: Path) -> None:
    assert DIGITS in shipped()
    assert "mnist-classifier" not in shipped()
    with pytest.raises(InputError, match="no generator"):
        Studio(["mnist-classifier"], tmp_path)
    with pytest.raises(InputError, match="shows pictures"):
        Studio(["test_web:vectors"], tmp_path)
    with pytest.raises(GeneratorError, match="broken"):
        Studio(["test_web:broken"], tmp_path)
    with pytest.raises(InputError, match="needs a model"):
        Studio([], tmp_path)
    with pytest.raises(InputError, match="model must be one of"):
        Studio([DIGITS], tmp_path).model("../etc/passwd")


def vectors() -> lp.Model:
    return lp.Model(lambda z: 2 * z, lp.priors.standard_normal(3))


def broken() -> lp.Model:
    def generator(z: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("broken")

    return lp.Model(generator, lp.priors.standard_normal(3))


def test_a_path_that_costs_nan_is_not_called_cheaper(tmp_path: Path) -> None:
    studio = Studio([DIGITS], tmp_path)
    *_, last = solve(studio, studio.sessions.of("a"), Choices(segments=10))
    assert isinstance(last, Solved)
    audit = replace(last.path.audit, cost=last.path.cost * float("nan"))
    words = views.numbers(replace(last, path=replace(last.path, audit=audit)), Choices())
    assert "less than" not in words
    assert "cost is nan" in words


def test_what_is_seen_on_the_way_is_an_energy_that_falls_and_then_the_path(studio: Studio, session: Session) -> None:
    *seen, last = solve(studio, session, Choices(segments=20))
    assert isinstance(last, Solved)
    assert not last.stopped
    assert seen
    assert all(isinstance(each, Glimpse) for each in seen)
    model = studio.model(DIGITS)
    ends = [keyframe.latent for keyframe in session.keyframes]
    same = lp.interpolate(model, *ends, segments=20, max_evaluations=200)
    torch.testing.assert_close(last.path.latents, same.latents)
    assert "energy" in views.glimpse(seen[-1], model) or seen[-1].latents is None


def test_a_stop_keeps_the_best_so_far_and_the_next_solve_runs(studio: Studio, session: Session) -> None:
    steps = solve(studio, session, Choices(tol=1e-6, restarts=16))
    next(steps)
    session.stop.set()
    *_, last = steps
    assert isinstance(last, Solved)
    assert last.stopped
    assert bool(last.path.cost.isfinite().all())
    assert "You stopped" in views.numbers(last, Choices(tol=1e-6))
    with pytest.raises(InputError, match="cancelled"):  # as one that was cancelled while it waited for its turn
        next(iter(solve(studio, session, Choices(segments=10))))
    session.stop.clear()
    *_, again = solve(studio, session, Choices(segments=10))
    assert not again.stopped  # type: ignore[union-attr]


def test_a_visitor_has_one_solve_at_a_time_and_leaving_ends_it(studio: Studio, session: Session) -> None:
    steps = solve(studio, session, Choices(tol=1e-6, restarts=16))
    next(steps)
    with pytest.raises(InputError, match="already"):
        next(iter(solve(studio, session, Choices())))
    began = time.monotonic()
    steps.close()
    assert time.monotonic() - began < 120
    assert session.busy.acquire(blocking=False)
    session.busy.release()
    session.keyframes = session.keyframes[:1]
    with pytest.raises(InputError, match="two ends"):
        next(iter(solve(studio, session, Choices())))


def test_what_changes_while_a_path_is_found_does_not_change_its_lines(studio: Studio, session: Session) -> None:
    steps = solve(studio, session, Choices(segments=20))
    next(steps)
    studio.pick(session, 4)
    *_, last = steps
    assert isinstance(last, Solved)
    assert [keyframe.sample for keyframe in last.keyframes] == [0, 1]
    assert "samples[[0, 1]]" in views.code(session.model, last.keyframes, Choices(segments=20), "alpha=0.9")


def test_an_error_of_the_solve_comes_to_the_visitor(studio: Studio, session: Session) -> None:
    session.keyframes = [Keyframe(torch.full((20,), float("nan")), "nowhere"), session.keyframes[0]]
    with pytest.raises(LatentPathError, match="NaN"):
        list(solve(studio, session, Choices()))
    assert session.busy.acquire(blocking=False)


@pytest.mark.parametrize(("closed", "moved", "method"), [(False, False, "recommended"), (True, True, "paper")])
def test_the_lines_of_python_make_the_same_path(
    studio: Studio,
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    closed: bool,
    moved: bool,
    method: str,
) -> None:
    if closed:
        studio.pick(session, 4)
    if moved:
        x, y = session.keyframes[0].latent[:2].tolist()
        studio.move(session, 0, x + 0.1, y)
    film = {"seconds": 1, "fps": 10, "beside": True}
    choices = Choices(method, mu=0.4, segments=10, closed=closed, rounded=closed, alpha=0.8, tol=0.01, **film)
    *_, last = solve(studio, session, choices)
    assert isinstance(last, Solved)
    monkeypatch.chdir(tmp_path)
    last.path.save("path.safetensors")
    model = studio.model(DIGITS)
    lines = views.code(session.model, last.keyframes, choices, in_code(choices, model), paper_in_code(choices, model))
    assert ("draw(" in lines) is not moved
    assert last.path.settings["method"] == method
    names: dict[str, object] = {}
    exec(compile(lines, "snippet", "exec"), names)
    torch.testing.assert_close(names["path"].latents, last.path.latents)  # type: ignore[attr-defined]
    for name, other in last.others.items():
        torch.testing.assert_close(names[name].latents, other.latents)  # type: ignore[attr-defined]
    assert set(last.others) == ({"paper"} if method == "recommended" else set())
    assert (tmp_path / "morph.mp4").stat().st_size > 1000


def test_strips_films_and_numbers_are_those_of_the_path(studio: Studio, session: Session, tmp_path: Path) -> None:
    import av

    choices, model = Choices(segments=10, seconds=1.5, fps=10), studio.model(DIGITS)
    *_, last = solve(studio, session, choices)
    assert isinstance(last, Solved)
    views.strips(last.path, model, choices, tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as strip:
        assert strip.width > 11 * 28
    views.films(last.path, model, choices, tmp_path / "m.mp4")
    with av.open(str(tmp_path / "m.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 15
    words = views.numbers(last, choices)
    for name in ("straight line", "slerp", "path"):
        assert f"<th scope='row'>{name}</th>" in words
    assert f"{float(last.path.cost):.2f}" in words
    for draw, file in ((views.profile, "p.png"), (views.plane, "q.png")):
        draw(last.path, tmp_path / file)
        assert (tmp_path / file).stat().st_size > 5000


def test_one_frame_is_enlarged_pixel_by_pixel() -> None:
    image = views.picture(torch.tensor([[[-1.0, 1.0]]]), (-1.0, 1.0), side=6)
    assert image.size == (6, 3)
    assert [image.getpixel((i, 0)) for i in (0, 2, 3, 5)] == [0, 0, 255, 255]
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
