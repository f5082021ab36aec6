"""Where models come from: shipped, folders, code, the Hub; and what never runs without the user's say."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from torch import nn

import latentpath as lp
from latentpath.errors import DataError, GeneratorError, InputError, MissingDataError
from latentpath.models import DCGAN, WAE, DCGANGenerator, Model, named_prior, read_model
from latentpath.models.object_reference import is_factory, is_reference, resolve
from latentpath.models.registry import WEIGHTS

SHIPPED = "mnist-dcgan-semicircle"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

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


def saved(folder: Path, **options: object) -> Path:
    """A folder of ``save_pretrained`` with a small DCGAN in it."""
    torch.manual_seed(0)
    network = DCGAN(**{"latent_dim": 5, "width": 2, "discriminator_width": 2, **options})  # type: ignore[arg-type]
    network.eval().save_pretrained(folder)
    return folder


# folders


def test_shipped_models_come_by_name_and_another_prior_takes_the_place_of_theirs() -> None:
    model = lp.load(SHIPPED, latent_dim=20)
    assert model.name == SHIPPED
    ball = lp.priors.uniform_ball(20, 5.0)
    assert lp.load(SHIPPED, prior=ball).prior is ball
    other = lp.load(SHIPPED, prior="normal").prior
    assert other is not None
    assert torch.equal(other.mean, torch.zeros(20))
    assert lp.load("mnist-classifier").prior is None
    with pytest.raises(InputError, match=r"latent_dim is 3, but the prior of mnist-.* is over vectors \(20,\)"):
        lp.load(SHIPPED, latent_dim=3)
    with pytest.raises(InputError, match=r"prior must be over vectors \(20,\), as .* was trained; got \(3,\)"):
        lp.load(SHIPPED, prior=lp.priors.standard_normal(3))


def test_a_saved_folder_comes_back_with_its_parts(tmp_path: Path) -> None:
    folder = saved(tmp_path / "net", prior="semicircle")
    for name in (folder, str(folder)):
        model = lp.load(name)
        z = torch.randn(2, 5)
        assert torch.equal(model.generator(z), DCGAN.from_pretrained(folder)(z))
        assert model.discriminator is not None
        assert model.prior is not None
        torch.testing.assert_close(model.prior.log_prob(z), lp.priors.semicircle(5).log_prob(z))
        assert (model.name, model.generator.training) == ("net", False)  # type: ignore[attr-defined]


def test_the_folder_of_a_training_run_has_its_model_inside(tmp_path: Path) -> None:
    saved(tmp_path / "run" / "model")
    (tmp_path / "run" / "config.json").write_text('{"steps": 3}')
    assert lp.load(tmp_path / "run").generator(torch.zeros(1, 5)).shape == (1, 1, 28, 28)


def test_a_folder_goes_before_the_hub_and_after_the_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "org" / "name")
    saved(tmp_path / SHIPPED)
    assert lp.load("org/name").prior.event_shape == (5,)  # type: ignore[union-attr]
    assert lp.load(f"./{SHIPPED}").prior.event_shape == (5,)  # type: ignore[union-attr]
    assert lp.load(SHIPPED).prior.event_shape == (20,)  # type: ignore[union-attr]


def test_a_generator_without_a_prior_asks_for_one(tmp_path: Path) -> None:
    DCGANGenerator(latent_dim=4, width=2).save_pretrained(tmp_path / "bare")
    with pytest.raises(InputError, match=r"bare has no prior: give one with prior=, .*\"normal\", \"semicircle\""):
        lp.load(tmp_path / "bare")
    assert lp.load(tmp_path / "bare", prior="normal").prior.event_shape == (4,)  # type: ignore[union-attr]


def test_names_of_nothing_say_what_would_be_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("", "x", "mnist-dcgan-semicircl", "C:\\models\\x"):
        with pytest.raises(
            InputError, match=rf"There are: .*mnist-classifier, .*{SHIPPED}.*package\.module:attr.*Hub"
        ) as no:
            lp.load(name)
        assert ("did you mean 'mnist-dcgan-semicircle'?" in str(no.value)) == name.startswith("mnist")
    for name in ("./x", "../weights/mnist-classifier", "~/x", "a/b/c", str(tmp_path / "x")):
        with pytest.raises(MissingDataError, match=f"there is no folder {re.escape(name)}"):
            lp.load(name)
    with pytest.raises(MissingDataError, match=r"is not a model: config\.json is not in it"):
        lp.load(tmp_path)
    (tmp_path / "weights.pt").write_bytes(pickle.dumps([1]))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"weights\.pt is a pickle, which can run any code"):
        lp.load("weights.pt")
    with pytest.raises(InputError, match="is a file: name the folder that it lies in"):
        lp.load(tmp_path / "model.safetensors")


# code that a file would like to run


class Trap:
    """A pickle of it writes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.file,))


@pytest.mark.parametrize("kind", ["Sequential", "torch.nn.Linear", "os:system", "mine.nets:Net", "Model", None, 3])
def test_a_folder_cannot_name_its_own_class(tmp_path: Path, mine: str, kind: object) -> None:
    folder = saved(tmp_path / "net")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "class": kind}))
    with pytest.raises(DataError, match="does not hold a model that this version knows"):
        lp.load(folder)
    assert mine not in sys.modules


@pytest.mark.parametrize("file", ["config.json", "card.json"])
def test_a_prior_that_is_code_is_imported_only_when_the_user_names_it(
    tmp_path: Path, mine: str, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    if file == "config.json":
        folder = saved(tmp_path / "net", prior=f"{mine}:ball")
    else:
        folder = Path(shutil.copytree(WEIGHTS / SHIPPED, tmp_path / "net"))
        card = json.loads((folder / file).read_text())
        card["prior"]["name"] = f"{mine}:ball"
        (folder / file).write_text(json.dumps(card))
    for read in (lp.load, read_model):
        with pytest.raises(DataError, match=r"prior is 'mine\.nets:ball'.* name it yourself, with prior='mine\.nets"):
            read(folder)
    assert mine not in sys.modules
    prior = lp.load(folder, prior=f"{mine}:ball").prior
    assert isinstance(prior, lp.priors.UniformBall)
    assert float(prior.radius) == 2


def test_pickles_in_a_folder_are_refused_unread(tmp_path: Path) -> None:
    folder, trap = saved(tmp_path / "net"), tmp_path / "sprung"
    (folder / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "model.ckpt"):
        (folder / name).write_bytes(pickle.dumps(Trap(trap)))
    with pytest.raises(MissingDataError, match=r"model\.ckpt, pytorch_model\.bin is a pickle.*weights_only=True"):
        lp.load(folder)
    assert not trap.exists()


# code of the user's


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
        (
            "busy",
            GeneratorError,
            r"Net must be in eval mode; .*training mode .*Call \.eval\(\) on it, or name a function",
        ),
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


def test_a_prior_by_name_needs_the_length_of_a_latent(mine: str) -> None:
    with pytest.raises(InputError, match="a normal prior needs the length of a latent: pass latent_dim=D"):
        lp.load(f"{mine}:plain", prior="normal")
    with pytest.raises(InputError, match=r"latent_dim is 4, but the prior of mine.nets:model is over vectors \(2,\)"):
        lp.load(f"{mine}:model", latent_dim=4)


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


def test_priors_of_the_users_own(mine: str) -> None:
    assert named_prior(f"{mine}:gauss", 3) is resolve(f"{mine}:gauss")
    assert named_prior(f"{mine}:gauss", None).event_shape == (3,)
    for name in ("ball", "ball_by_latent_dim"):
        assert named_prior(f"{mine}:{name}", 7).event_shape == (7,)
    assert named_prior("latentpath.priors:standard_normal", 4).event_shape == (4,)
    given = lp.load(f"{mine}:ready", prior=f"{mine}:gauss")
    assert given.prior is resolve(f"{mine}:gauss")


@pytest.mark.parametrize(
    ("attr", "message"),
    [
        ("gauss", r"must be, or make, a .*Distribution over vectors \(5,\); got Independent with .*event shape \(3,\)"),
        ("scalar", r"over vectors \(5,\); got Normal with batch shape \(\) and event shape \(\)"),
        ("make", r"over vectors \(5,\); got Net$"),
        ("number", "is a int; a factory is called without arguments, or only dim or latent_dim"),
        ("needs_more", "a factory is called without arguments, or only dim or latent_dim: missing .*'radius'"),
        ("fails", "raised KeyError"),
    ],
)
def test_priors_that_do_not_fit_are_refused(mine: str, attr: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        named_prior(f"{mine}:{attr}", 5)


def test_a_prior_named_by_mistake_is_not_called() -> None:
    with pytest.raises(InputError, match="os:system is a builtin_function_or_method; a factory is called without"):
        named_prior("os:system", 3)


# the Hub


class Hub(ThreadingHTTPServer):
    """As much of the Hub as is asked for: a repository's revision, its files, and each file."""

    def __init__(self, repository: str, folder: Path, status: int = 200, header: str = "") -> None:
        self.repository, self.folder, self.status, self.header = repository, folder, status, header
        self.served: list[str] = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.server, self.path.partition("?")[0].strip("/")
        if hub.status != 200:
            return self.answer(b"{}", hub.status, {"X-Error-Code": hub.header, "X-Error-Message": hub.header})
        if path.startswith(f"api/models/{hub.repository}/tree/"):
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": oid(f)} for f in hub.files]
            return self.answer(json.dumps(tree).encode())
        if path.startswith(f"api/models/{hub.repository}"):
            siblings = [{"rfilename": f.name} for f in hub.files]
            return self.answer(json.dumps({"id": hub.repository, "sha": COMMIT, "siblings": siblings}).encode())
        file = hub.folder / path.rpartition("/")[2]
        if path.startswith(f"{hub.repository}/resolve/{COMMIT}/") and file.is_file():
            if self.command == "GET":
                hub.served.append(file.name)
            return self.answer(file.read_bytes(), 200, {"ETag": f'"{oid(file)}"', "X-Repo-Commit": COMMIT})
        return self.answer(b"{}", 404, {"X-Error-Code": "EntryNotFound"})

    def answer(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def oid(file: Path) -> str:
    return sha1(file.read_bytes()).hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


@pytest.fixture
def online(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on this machine that knows ``org/name``, whose files lie in ``org-name/``."""
    (tmp_path / "org-name").mkdir()
    hub = Hub("org/name", tmp_path / "org-name")
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
    monkeypatch.setattr(
        huggingface_hub.constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        f"http://127.0.0.1:{hub.server_port}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
    )
    huggingface_hub.utils.disable_progress_bars()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


def test_a_model_is_fetched_from_the_hub_and_then_needs_none(online: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(online.folder)
    (online.folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (online.folder / "other.safetensors").write_bytes(b"not ours")
    model, z = lp.load("org/name", prior="semicircle"), torch.randn(2, 5)
    assert torch.equal(model.generator(z), DCGAN.from_pretrained(online.folder)(z))
    assert (model.name, model.prior.event_shape) == ("org/name", (5,))  # type: ignore[union-attr]
    assert online.served == ["config.json", "model.safetensors"]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert torch.equal(lp.load("org/name").generator(z), model.generator(z))
    assert online.served == ["config.json", "model.safetensors"]


def test_weights_of_a_foreign_repository_are_not_fetched(online: Hub) -> None:
    (online.folder / "model.safetensors").write_bytes(b"gigabytes")
    (online.folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError, match=r"org/name was not saved by latentpath: its config.json should name one of"):
        lp.load("org/name")
    assert online.served == ["config.json"]


@pytest.mark.parametrize("config", [None, {"model_type": "gan"}, {"class": "DCGAN"}])
def test_a_repository_of_pickles_is_refused_with_the_way_out(online: Hub, config: dict[str, str] | None) -> None:
    (online.folder / "pytorch_model.bin").write_bytes(b"a pickle")
    if config is not None:
        (online.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(MissingDataError, match=r"pytorch_model\.bin is a pickle.*convert it.*weights_only=True"):
        lp.load("org/name")
    assert "pytorch_model.bin" not in online.served


def test_a_prior_from_the_hub_that_is_code_is_not_imported(online: Hub, mine: str) -> None:
    saved(online.folder, prior=f"{mine}:ball")
    with pytest.raises(DataError, match="That is code"):
        lp.load("org/name")
    assert mine not in sys.modules
    assert isinstance(lp.load("org/name", prior=f"{mine}:ball").prior, lp.priors.UniformBall)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "RepoNotFound", r"has none of that name, or it is private: check the name, or log in \(hf auth login\)"),
        (403, "GatedRepo", r"shows it to some people only: ask at http://127.*/org/name, then log in"),
        (500, "", r"did not give it \(.*\): try again, or fetch it elsewhere with hf download org/name --local-dir"),
    ],
)
def test_a_hub_that_does_not_give_it_says_why(online: Hub, status: int, code: str, message: str) -> None:
    online.status, online.header = status, code
    with pytest.raises(MissingDataError, match=f"org/name is no folder here, and was looked for on the Hub.*{message}"):
        lp.load("org/name")


def test_a_hub_that_does_not_answer_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("Connection refused\nmany more lines")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(MissingDataError, match=r"did not give it \(ConnectionError: Connection refused\): try again"):
        lp.load("org/name")


def fill(cache: Path, files: Path) -> Path:
    """The cache as the Hub's client would leave it."""
    folder = cache / "models--org--name"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    return Path(shutil.copytree(files, folder / "snapshots" / COMMIT))


def test_offline_the_cache_is_enough_or_the_error_says_so(cache: Path, tmp_path: Path) -> None:
    for name in ("org/name", "org--x/name"):
        with pytest.raises(MissingDataError, match=rf"{name} is no folder here.*(unset HF_HUB_OFFLINE|check the name)"):
            lp.load(name)
    snapshot = fill(cache, saved(tmp_path / "net"))
    assert lp.load("org/name").prior.event_shape == (5,)  # type: ignore[union-attr]
    (snapshot / "model.safetensors").rename(snapshot / "pytorch_model.bin")
    with pytest.raises(MissingDataError, match=r"pytorch_model\.bin is a pickle"):
        lp.load("org/name")
