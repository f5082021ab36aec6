"""Frames are shown in their own range: given, declared, or what they hold. Exact pixels, wherever they are shown."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import latentpath as lp
from latentpath import cli
from latentpath.cli import drawings
from latentpath.data import read_images
from latentpath.errors import DataError, InputError
from latentpath.value_range import declared_range, extent, inferred_range, pixels, usual_range
from latentpath.viz import plots
from latentpath.viz.grid import contact_sheet

F64 = torch.float64
PRIOR = lp.priors.standard_normal(1, dtype=F64)
GREYS = [40, 84, 128, 172, 216]


class Grey(torch.nn.Module):
    """Latents (N, 1) in [0, 1] to pictures (N, 1, 4, 6) of one grey, from ``first`` to ``last``."""

    def __init__(self, first, last):
        super().__init__()
        self.first, self.last = first, last
        self.eval()

    def forward(self, z):
        return (self.first + (self.last - self.first) * z)[:, :, None, None].expand(-1, 1, 4, 6)


class Conditional(torch.nn.Module):
    """A generator with a label, whose class declares the range."""

    value_range = (-1.0, 1.0)

    def __init__(self, generator):
        super().__init__()
        self.generator = generator
        self.eval()

    def forward(self, z, label):
        return self.generator(z)


def path_of(generator):
    """The straight path from latent 0 to latent 1, in four segments."""
    latents = torch.linspace(0, 1, 5, dtype=F64)[None, :, None]
    source = lp.Source(generator, lp.RealismIndex(PRIOR))
    zero = torch.zeros(1, dtype=F64)
    return lp.Path.measured(latents, source, outcome=(lp.Outcome.CONVERGED,), evaluations=zero, gain=zero, settings={})


def strip_greys(path, **options):
    """The grey of every frame of a strip, and the range that it says it has."""
    image = lp.strip(path, frames=5, scale=1, spacing="latent", **options)
    page = np.asarray(image)
    wide = 6 + 2
    row = page[page.shape[0] - 8 - 2]  # of the path, the last one
    first = len(row) - 8 - (5 * wide - 2)
    return [int(row[first + i * wide + 2]) for i in range(5)], image.info["value_range"]


def film_greys(path, folder, suffix=".webp", **options):
    file = Path(folder) / f"film{suffix}"
    lp.film(path, file, seconds=1, fps=5, loop=None, scale=1, spacing="latent", **options)
    with Image.open(file) as film:
        greys = []
        for i in range(film.n_frames):
            film.seek(i)
            greys.append(int(np.asarray(film.convert("L"))[2, 3]))
    return greys


# ---------------------------------------------------------------------------------------------------------------------
# What the frames hold.


@pytest.mark.parametrize(
    ("lowest", "highest", "expected", "sure"),
    [
        (0.0, 1.0, (0, 1), True),
        (40 / 255, 216 / 255, (0, 1), True),
        (-1e-3, 1 + 1e-3, (0, 1), True),  # rounding
        (0.0, 0.0, (0, 1), True),
        (-0.02, 0.9, (-1, 1), True),
        (-1.0, 1.0, (-1, 1), True),
        (-1.005, -0.2, (-1, 1), True),
        (0.1, 1.3, (0, 1), False),  # a linear decoder of [0, 1]
        (-1.2, 1.1, (-1, 1), False),
        (0.0, 255.0, (0, 255), False),
        (-0.4, 254.8, (0, 255), False),
        (-40.0, 60.0, (-40, 60), False),
        (0.0, 4095.0, (0, 4095), False),
        (300.0, 300.0, (0, 300), False),
        (-300.0, -300.0, (-300, 0), False),
    ],
)
def test_the_range_of_frames_from_their_lowest_and_highest_value(lowest, highest, expected, sure, caplog):
    found, doubt = usual_range(lowest, highest)
    assert found == expected
    assert (doubt == "") is sure
    with caplog.at_level(logging.WARNING, "latentpath"):
        assert inferred_range([torch.tensor([[lowest]]), torch.tensor([[highest]])]) == pytest.approx(expected)
    assert ("value_range" in caplog.text) is not sure


def test_what_is_not_finite_says_nothing():
    frames = torch.tensor([torch.nan, torch.inf, -torch.inf, 0.25, 0.5])
    assert extent([frames, torch.tensor([torch.nan])]) == (0.25, 0.5)
    assert extent([]) == extent([torch.tensor([torch.nan])]) == (0.0, 0.0)


def test_pixels_of_every_range_are_exact():
    frames = torch.linspace(0, 1, 256, dtype=F64).reshape(1, 16, 16)
    expected = np.arange(256).reshape(16, 16, 1)
    for low, high in [(0, 1), (-1, 1), (0, 4095), (-3.5, -3.25)]:
        np.testing.assert_array_equal(pixels(low + (high - low) * frames, (low, high)), expected)
    assert pixels(torch.tensor([torch.nan, -5, 5, torch.inf]).reshape(1, 1, 4), (0, 1)).ravel().tolist() == [
        0,
        0,
        255,
        255,
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Every place that shows frames.


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
@pytest.mark.parametrize("beside", [(), ("lerp",)])
def test_frames_in_0_to_1_are_shown_as_they_are(tmp_path, suffix, beside):
    path = path_of(Grey(40 / 255, 216 / 255))
    assert film_greys(path, tmp_path, suffix) == GREYS
    assert strip_greys(path, side_by_side=beside) == (GREYS, (0.0, 1.0))
    frames = path.frames(5, "latent")
    sheet = np.asarray(contact_sheet(frames[0], columns=5, zoom=1))
    assert [int(sheet[2, 2 + 7 * i]) for i in range(5)] == GREYS
    figure = plots.strips({"path": frames})
    assert [axes.get_images()[0].get_array()[0, 0, 0] for axes in figure.axes] == [40]


def test_frames_in_minus_1_to_1_are_shown_as_before(tmp_path):
    path = path_of(Grey(-215 / 255, 177 / 255))
    greys = [20, 69, 118, 167, 216]
    assert film_greys(path, tmp_path) == greys
    assert strip_greys(path) == (greys, (-1.0, 1.0))


def test_frames_between_the_points_of_a_path_count_too():
    """A path whose points are bright, and which is dark between them."""

    class Dip(Grey):
        def forward(self, z):
            return (0.5 - 0.8 * torch.sin(4 * torch.pi * z).square())[:, :, None, None].expand(-1, 1, 4, 6)

    path = path_of(Dip(0, 1))
    assert float(path.frames(5, "latent").min()) > 0.49
    image = lp.strip(path, frames=9, spacing="latent")
    assert image.info["value_range"] == (-1.0, 1.0)


@pytest.mark.parametrize("how", ["card", "attribute", "argument", "adapter"])
def test_a_declared_range_holds_for_a_film_that_is_bright_throughout(tmp_path, how):
    """From 0.1 to 0.9 in [-1, 1]: from its frames alone it would be taken for [0, 1]."""
    generator, options = Grey(0.1, 0.9), {}
    if how == "card":
        lp.Model(generator, PRIOR, card={"value_range": [-1, 1]})
    elif how == "attribute":
        generator.value_range = (-1.0, 1.0)
    elif how == "adapter":
        generator = lp.adapters.conditional(Conditional(generator), torch.tensor(0.0, dtype=F64))
    else:
        options = {"value_range": (-1, 1)}
    path = path_of(generator)
    greys = [140, 166, 191, 217, 242]
    assert strip_greys(path, **options) == (greys, (-1.0, 1.0))
    assert film_greys(path, tmp_path, **options) == greys


def test_an_argument_overrules_what_is_declared():
    generator = Grey(0.0, 1.0)
    lp.Model(generator, PRIOR, card={"value_range": [-1, 1]})
    assert strip_greys(path_of(generator), value_range=(0, 1))[0] == [0, 64, 128, 191, 255]


def test_curves_of_two_generators_are_each_shown_in_their_own_range():
    one, other = path_of(Grey(0.0, 1.0)), path_of(Grey(-1.0, 1.0))
    image = np.asarray(lp.strip(one, frames=5, scale=1, spacing="latent", side_by_side={"other": other}))
    column = image[:, image.shape[1] - 8 - 20]
    assert 128 in column.tolist()
    assert strip_greys(one, side_by_side={"other": other})[1] == (0.0, 1.0)


def test_the_shipped_models_are_known_by_their_generators():
    for name in ("mnist-dcgan-semicircle", "celeba-wae"):
        assert declared_range(lp.load(name).generator) == (-1.0, 1.0)
    assert lp.models.DCGAN(width=4).generator.value_range == (-1.0, 1.0)


def test_a_model_that_declares_no_range_knows_it_from_samples():
    class Sigmoid(Grey):
        def forward(self, z):
            return super().forward(torch.sigmoid(3 * z))

    model = lp.Model(Sigmoid(0.0, 1.0), PRIOR)
    assert model.declared_range is None
    assert model.value_range == (0.0, 1.0)
    assert model.range_doubt
    assert lp.Model(Sigmoid(-1.0, 1.0), PRIOR).value_range == (-1.0, 1.0)
    known = lp.Model(Sigmoid(0.0, 1.0), PRIOR, card={"value_range": (0, 255)})
    assert (known.value_range, known.range_doubt) == ((0.0, 255.0), "")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "wrong", [(1.0, 1.0), (1.0, 0.0), (0.0,), 1.0, "01", (0.0, float("nan")), ("a", "b"), (0, None)]
)
def test_ranges_that_are_none_are_refused(wrong, tmp_path):
    with pytest.raises(InputError, match="value_range"):
        lp.strip(path_of(Grey(0.0, 1.0)), value_range=wrong)
    with pytest.raises(InputError, match="value_range"):
        lp.film(path_of(Grey(0.0, 1.0)), tmp_path / "a.gif", value_range=wrong)
    with pytest.raises(InputError, match="value_range"):
        lp.Model(Grey(0.0, 1.0), PRIOR, card={"value_range": wrong})


# ---------------------------------------------------------------------------------------------------------------------
# Pictures of more than 8 bits.


def twelve_bits(folder, values=(0, 1024, 2048, 4095)):
    file = Path(folder) / "scan.png"
    Image.fromarray(np.array(values, np.uint16).reshape(2, 2)).save(file)
    return file


def test_twelve_bits_in_a_picture_of_sixteen(tmp_path):
    file = twelve_bits(tmp_path)
    assert read_images([file], 2, 1).flatten().tolist() == [0, 4, 8, 16]
    assert read_images([file], 2, 1, value_range=(0, 4095)).flatten().tolist() == [0, 64, 128, 255]
    assert read_images([file], 2, 3, value_range=(1024, 2048))[0, 2].flatten().tolist() == [0, 0, 255, 255]


def test_values_of_unknown_range_can_be_read_with_one(tmp_path):
    file = tmp_path / "f.tif"
    Image.fromarray(np.array([[-1, 0], [0.5, 1]], np.float32)).save(file)
    with pytest.raises(DataError, match="value_range"):
        read_images([file], 2, 1)
    assert read_images([file], 2, 1, value_range=(-1, 1)).flatten().tolist() == [0, 128, 191, 255]


def test_a_range_changes_no_picture_of_eight_bits(tmp_path):
    Image.fromarray(np.array([[0, 60], [120, 255]], np.uint8)).save(tmp_path / "a.png")
    assert read_images([tmp_path / "a.png"], 2, 1, value_range=(0, 4095)).flatten().tolist() == [0, 60, 120, 255]


# ---------------------------------------------------------------------------------------------------------------------
# The command.


def interpolate(out, *arguments):
    command = ["interpolate", "--out", out, "--segments", 4, *arguments]
    return CliRunner().invoke(cli.app, [str(each) for each in command])


@pytest.fixture
def quick(monkeypatch):
    for name, value in (("COLUMNS", "300"), ("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(drawings, "_PRIOR_SAMPLES", 2000)
    monkeypatch.setattr(drawings, "_FILM_FRAMES", 5)


@pytest.fixture
def named(monkeypatch):
    """Makes ``--model`` take a model, whatever name is given."""
    return lambda model: monkeypatch.setattr("latentpath.models.load", lambda asked, **options: model)


def shades(latents):
    """Latents (N, 2) to pictures (N, 1, 8, 8) in [0.2, 0.8]: greys 51 to 204."""
    greys = 0.5 + 0.3 * torch.tanh(latents)
    return greys[:, :, None, None].repeat_interleave(4, 1).reshape(-1, 1, 8, 1).expand(-1, 1, 8, 8)


@pytest.mark.parametrize(("given", "low", "high"), [((), 0, 1), (("--value-range", "-1,1"), -1, 1)])
def test_the_command_shows_the_range_of_the_model_and_says_it(tmp_path, named, quick, given, low, high):
    named(lp.Model(shades, lp.priors.standard_normal(2), name="shades"))
    result = interpolate(tmp_path / "out", "--pairs", 1, *given)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["model"]["value_range"] == [low, high]
    assert ("--value-range" in result.stderr) is (not given)
    with Image.open(tmp_path / "out" / "morph.gif") as film:
        shown = np.asarray(film.convert("L"))
    start = lp.Path.load(tmp_path / "out" / "paths.safetensors").latents[0, 0]
    expected = pixels(shades(start[None])[0], (low, high))
    assert set(expected.ravel().tolist()) <= set(shown.ravel().tolist())


def test_the_command_reads_pictures_of_twelve_bits(tmp_path, named, quick):
    model = lp.Model(shades, lp.priors.standard_normal(2), encoder=lambda x: x[:, 0, ::4, 0], name="shades")
    named(model)
    file = tmp_path / "scan.png"
    Image.fromarray(np.full((8, 8), 2048, np.uint16)).save(file)
    dark = interpolate(tmp_path / "dark", "--from", file, "--to", file)
    assert "0,4095" in dark.stderr
    for options in (("--value-range", "0,4095"), ("--value-range", "0,4095", "--value-range", "0,1")):
        result = interpolate(tmp_path / "out", "--from", file, "--to", file, *options)
        assert result.exit_code == 0, result.output
        path = lp.Path.load(tmp_path / "out" / "paths.safetensors")
        assert path.start[0].tolist() == pytest.approx([128 / 255] * 2)  # of the encoder, which gives the greys


@pytest.mark.parametrize("text", ["", "1", "a,b", "1,0", "0,1,2", "nan,1"])
def test_the_command_refuses_what_is_no_range(tmp_path, text):
    result = interpolate(tmp_path / "out", "--pairs", 1, "--value-range", text)
    assert result.exit_code == 2
    assert "--value-range" in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_refuses_two_ranges_for_one_thing(tmp_path):
    result = interpolate(tmp_path / "out", "--pairs", 1, "--value-range", "0,1", "--value-range", "0,255")
    assert result.exit_code == 2
    assert "--value-range" in result.stderr
