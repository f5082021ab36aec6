"""A package of models of the user's own, on Python's path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

MODULE = '''
"""Models of the user's own."""
import torch
from torch import nn
import latentpath as lp
from latentpath.models import WAE

CALLS = []

def plain(latents):
    return 2 * latents

def dim_four(latents):
    return latents[:, :4]

dim_four.latent_dim = 4

class Net(nn.Module):
    def __init__(self, width=5):
        super().__init__()
        self.config = {"latent_dim": 3}
        self.body = nn.Linear(3, width)
    def forward(self, latents):
        return self.body(latents)

class Needs(nn.Module):
    def __init__(self, width):
        super().__init__()

class Space:
    net = Net().eval()

busy = Net()
ready = Net().eval()
wae = WAE(latent_dim=6, width=4, size=28, channels=1).eval()
coded = WAE(latent_dim=6, width=4, size=28, channels=1, prior="os:system").eval()
pair = (plain, lp.priors.standard_normal(2))
model = lp.Model(plain, lp.priors.semicircle(2), name="mine")
number = 3
gauss = lp.priors.standard_normal(3)
scalar = torch.distributions.Normal(0.0, 1.0)

def make():
    CALLS.append("make")
    return Net()

def make_pair(scale=1.0):
    return Net(), lp.priors.uniform_ball(3, scale)

def make_model():
    return lp.Model(Net(), lp.priors.standard_normal(3), encoder=nn.Linear(5, 3), name="made")

def make_nothing():
    return None

def fails():
    raise KeyError("weights")

def ball(dim, radius=2.0):
    return lp.priors.uniform_ball(dim, radius)

def ball_by_latent_dim(*, latent_dim):
    return lp.priors.uniform_ball(latent_dim)

def needs_more(dim, radius):
    return None
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the user's, on Python's path, as ``mine.nets``."""
    package = tmp_path / "site" / "mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text(MODULE)
    (package / "broken.py").write_text("import nowhere_to_be_found\n")
    (package / "syntax.py").write_text("def (\n")
    (package / "leaves.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    yielded = [name for name in sys.modules if name.split(".")[0] == "mine"]
    for name in yielded:
        monkeypatch.delitem(sys.modules, name)
    return "mine.nets"
