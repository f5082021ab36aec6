"""Models named by `package.module:attr`: modules, attributes, factories, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import latentpath as lp
from latentpath.errors import DataError, GeneratorError, InputError
from latentpath.models import DCGAN, WAE, Model, named_prior
from latentpath.models.object_reference import is_factory, is_reference, resolve


@pytest.mark.parametrize("name", ["a:b", "a.b:c.d", "torch.nn:Module", "_x1:_y"])
def test_code_is_named_by_module_and_attribute(name: str) -> None:
    assert is_reference(name)


@pytest.mark.parametrize(
    "name", ["a", "a:", ":b", "a:b:c", "a b:c", "a/b:c", "1a:b", "a..b:c", "C:\\x", "a:b()", 3, None]
)
def test_other_names_are_no_code(name: object) -> None:
    assert not is_reference(name)
    if isinstance(name, str):
        with pytest.raises(InputError, match='code is named "package.module:attr"'):
            resolve(name)


def test_what_an_attribute_may_be(mine: str) -> None:
    def of(attr: str, **options: object) -> Model:
        return lp.load(f"{mine}:{attr}", **options)  # type: ignore[arg-type]

    z = torch.ones(1, 2)
    plain = of("plain", prior="normal", latent_dim=2)
    assert (plain.name, plain.prior.event_shape) == ("mine.nets:plain", (2,))  # type: ignore[union-attr]
    assert torch.equal(plain.generator(z), 2 * z)
    assert torch.equal(of("pair").generator(z), 2 * z)
    assert of("model").name == "mine"
    ball = lp.priors.uniform_ball(2)
    assert of("model", prior=ball).prior is ball
    assert of("pair", prior="semicircle").prior.event_shape == (2,)  # type: ignore[union-attr]
    # D from the generator, or from its configuration
    assert of("dim_four", prior="normal").prior.event_shape == (4,)  # type: ignore[union-attr]
    assert of("ready", prior="semicircle").prior.event_shape == (3,)  # type: ignore[union-attr]
    assert of("Space.net", prior="normal").generator(torch.zeros(1, 3)).shape == (1, 5)
    # a network of this package, with its encoder
    wae = of("wae")
    assert wae.encode(torch.zeros(2, 1, 28, 28)).shape == (2, 6)
    assert wae.prior.event_shape == (6,)  # type: ignore[union-attr]
    assert isinstance(resolve(f"{mine}:wae"), WAE)


def test_factories_are_called_once_and_their_networks_put_into_eval_mode(mine: str) -> None:
    model = lp.load(f"{mine}:make", prior="normal")
    assert resolve(f"{mine}:CALLS") == ["make"]
    assert isinstance(model.generator, nn.Module)
    assert not any(part.training for part in model.generator.modules())
    assert all(parameter.requires_grad for parameter in model.generator.parameters())
    path = lp.interpolate(model.generator, model.prior, torch.zeros(3), torch.ones(3), segments=4)  # type: ignore[arg-type]
    assert str(path.outcome[0]) == "converged"
    assert isinstance(lp.load(f"{mine}:make_pair").prior, lp.priors.UniformBall)
    made = lp.load(f"{mine}:make_model")
    assert made.name == "made"
    assert isinstance(made.encoder, nn.Module)
    assert not made.encoder.training
    assert lp.load(f"{mine}:Net", prior="normal").generator(torch.zeros(1, 3)).shape == (1, 5)


def test_what_is_a_factory() -> None:
    assert not is_factory(named_prior)
    assert not is_factory(Model)
    assert is_factory(DCGAN)
    assert is_factory(nn.Tanh)
    assert is_factory(lambda scale=1.0: scale)
    for other in (nn.Tanh(), nn.Linear, torch.tanh, lambda latents: latents, 3, None):
        assert not is_factory(other)


@pytest.mark.parametrize(
    ("attr", "error", "message"),
    [
        ("busy", GeneratorError, r"Net must be in eval mode; .*training mode .*Call \.eval\(\) on it"),
        ("plain", InputError, "mine.nets:plain has no prior: give one with prior="),
        ("Needs", InputError, "must be a latentpath.Model, a generator, .*; got <class 'mine.nets.Needs'>"),
        ("number", InputError, "must be a latentpath.Model, a generator, .*; got 3"),
        ("make_nothing", InputError, "must be a latentpath.Model, a generator, .*; got None"),
        ("fails", InputError, "was called to make something, and raised KeyError: 'weights'"),
        ("coded", DataError, "says that the prior is 'os:system'. That is code"),
        ("plane", InputError, r"mine.nets was imported, but has no 'plane' \(no 'plane'\); did you mean 'plain'\?"),
        ("ready.head.x", InputError, r"has no 'ready.head.x' \(no 'head'\)"),
    ],
)
def test_attributes_that_are_no_model_are_explained(mine: str, attr: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        lp.load(f"{mine}:{attr}")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("nowhere_at_all", "there is no module 'nowhere_at_all' where Python looks.*PYTHONPATH=FOLDER"),
        ("nowhere_at_all.sub", "there is no module 'nowhere_at_all' where Python looks"),
        ("mine.nothing", "there is no module 'mine.nothing' where Python looks"),
        ("mine.nets.deeper", "there is no module 'mine.nets.deeper' where Python looks"),
        ("mine.broken", "'mine.broken' was found, but importing it failed: .*No module named 'nowhere_to_be_found'"),
        ("mine.syntax", "'mine.syntax' was found, but importing it failed: SyntaxError"),
        ("mine.leaves", "'mine.leaves' was found, but importing it failed: SystemExit: 3"),
    ],
)
def test_a_module_that_is_not_there_is_told_from_one_that_fails(mine: str, module: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lp.load(f"{module}:net")


def test_the_current_folder_is_not_added_to_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = tmp_path / "sprung"
    (tmp_path / "lying_about.py").write_text(f"open({str(trap)!r}, 'w').close()\ndef net(z): return z\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    before = list(sys.path)
    with pytest.raises(InputError, match="the current folder is not added for you"):
        lp.load("lying_about:net", prior="normal", latent_dim=2)
    assert sys.path == before
    assert not trap.exists()
