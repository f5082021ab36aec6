"""The endpoint for programs: paths as the library finds them, errors in words, hostile inputs refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from benchmarks.hostile import attacks
from benchmarks.server import Server
from page_server import frames_of, serving
from PIL import Image

import latentpath as lp

pytest.importorskip("gradio")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("page")]


def test_a_program_gets_the_path_that_the_library_finds(server: Server, tmp_path: Path) -> None:
    from gradio_client import Client

    client = Client(server.url, download_files=str(tmp_path), verbose=False)
    facts, strip, film, saved = client.predict(
        model="mnist-dcgan-semicircle", seeds="1,2", segments=20, seconds=2, fps=10, api_name="/interpolate"
    )
    model = lp.load("mnist-dcgan-semicircle")
    from latentpath.models.sampling import draw

    ends = [draw(model.prior, 1, torch.Generator().manual_seed(seed))[0] for seed in (1, 2)]
    same = lp.interpolate(model, *ends, segments=20, max_evaluations=200)
    assert facts["settings"]["method"] == "recommended"
    torch.testing.assert_close(lp.Path.load(saved).latents, same.latents, rtol=1e-4, atol=1e-4)
    assert facts["outcomes"] == {"converged": 1}
    assert frames_of(Path(film)) == 20
    with Image.open(strip) as picture:
        picture.verify()


def test_a_program_is_told_what_is_wrong(server: Server) -> None:
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    client = Client(server.url, verbose=False)
    for bad, said in (
        ({"model": "../../etc/passwd"}, "model must be one of"),
        ({"seeds": "1"}, "two or more"),
        ({"seeds": "1,-2"}, "two or more"),
        ({"alpha": 0}, "alpha must be"),
        ({"beside": "yes"}, "beside must be"),
        ({"mu": "nan"}, "realistic must be"),
        ({"mu": 2}, "realistic must be"),
        ({"method": "magic"}, "method must be"),
        ({"segments": 10**9}, "segments must be"),
        ({"solver": "__import__('os')"}, "solver must be"),
        ({"loop": "for ever"}, "loop must be"),
    ):
        with pytest.raises(AppError) as caught:
            client.predict(**{"model": "mnist-dcgan-semicircle", "seeds": "1,2", **bad}, api_name="/interpolate")
        assert said in str(caught.value)


def test_two_hundred_hostile_inputs_are_refused_in_words_and_read_nothing(tmp_path: Path) -> None:
    import httpx

    server = serving(tmp_path, "--model", "mnist-dcgan-semicircle")
    with httpx.Client(base_url=server.url, timeout=300, follow_redirects=True) as client:
        sent = list(attacks(client.get("/config").json(), __file__))
        assert len(sent) > 200
        for attack in sent:
            answer = attack.send(client)
            assert answer.refused, (attack, answer)
            assert not answer.leaked, (attack, answer)
    assert server.alive
    assert server.end() == 0
    assert server.left == []
