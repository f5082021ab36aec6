"""Models of the Hub, from a server on this machine: fetched once, safetensors only, errors explained."""

from __future__ import annotations

import json
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
from saved_models import saved

import latentpath as lp
from latentpath.errors import DataError, MissingDataError
from latentpath.models import DCGAN

COMMIT = "0123456789abcdef0123456789abcdef01234567"


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
