"""The page in a real browser, on a server of its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.server import Server
from page_server import frames_of, serving
from PIL import Image
from typer.testing import CliRunner

import latentpath as lp
from latentpath import cli

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT = 300_000  # milliseconds
pytest.importorskip("gradio")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("page")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


class Visit:
    """A visitor on the page, who has seen the samples."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.context = browser.new_context(accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.wrong: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.set_default_timeout(WAIT)
        self.page.goto(url)
        self.page.wait_for_selector("#samples img")
        self.page.wait_for_selector("#chosen img")

    def chosen(self) -> int:
        return int(self.page.locator("#chosen .thumbnail-item").count())

    def wait_chosen(self, count: int) -> None:
        self.page.wait_for_function("n => document.querySelectorAll('#chosen .thumbnail-item').length === n", arg=count)

    def find(self) -> None:
        self.page.click("#find")

    def words(self) -> str:
        self.page.wait_for_selector("#words table")
        return str(self.page.inner_text("#words"))

    def advanced(self, label: str, value: str) -> None:
        self.page.get_by_role("button", name="Advanced").click()
        box = self.page.get_by_label(label).first
        box.fill(value)
        box.press("Tab")

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Visit]:
    visitor = Visit(browser, server.url)
    yield visitor
    assert visitor.wrong == []
    visitor.close()


def test_from_a_model_to_a_film_that_has_all_its_frames(visit: Visit, server: Server, tmp_path: Path) -> None:
    page = visit.page
    page.locator("#samples .thumbnail-item").nth(5).click()
    visit.wait_chosen(3)
    page.locator("#chosen .thumbnail-item").nth(0).click()
    visit.wait_chosen(2)
    began = time.monotonic()
    visit.find()
    page.wait_for_selector("#words svg, #words table")  # the energy, or the end where that came first
    assert "less than the straight line" in visit.words()
    assert time.monotonic() - began < 240  # 15 s on two quiet cores; this is not one
    page.wait_for_selector("#strips img")
    page.wait_for_selector("#film video")
    for name, suffix in (("mp4", ".mp4"), ("gif", ".gif"), ("png", ".png"), ("path", ".safetensors")):
        with page.expect_download() as got:
            page.click(f"#{name}")
        got.value.save_as(tmp_path / f"a{suffix}")
    assert frames_of(tmp_path / "a.mp4") == 100
    with Image.open(tmp_path / "a.gif") as film:
        assert film.n_frames == 100
    path = lp.Path.load(tmp_path / "a.safetensors")
    assert f"{float(path.cost):.2f}" in visit.words()
    for tab in ("Map", "Profiles", "Plane"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(f"#{ {'Map': 'map', 'Profiles': 'profile', 'Plane': 'plane'}[tab] } img")
    page.get_by_role("tab", name="Python").click()
    assert "lp.interpolate(" in page.inner_text("#code")
    outside = [url for url in visit.asked if url.startswith("http") and not url.startswith(server.url)]
    assert outside == []


def test_a_click_on_the_map_moves_the_end_and_finds_another_path(visit: Visit) -> None:
    page = visit.page
    visit.find()
    before = visit.words()
    page.get_by_role("tab", name="Map").click()
    page.wait_for_selector("#map img")
    page.wait_for_selector("#film video", state="attached")
    page.locator("#moving label").nth(1).click()
    shown = page.locator("#map img")
    box = shown.bounding_box()
    shown.click(position={"x": 0.5 * box["width"], "y": 0.3 * box["height"]})
    page.wait_for_function("() => document.querySelector('#chosen').innerText.includes('end: moved to')")
    page.wait_for_function(
        "old => { const t = document.querySelector('#words table'); "
        "return t && document.querySelector('#words').innerText !== old; }",
        arg=before,
    )
    assert visit.words() != before
    assert visit.chosen() == 2


def test_pictures_can_be_sent_and_what_is_none_is_refused(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    page.get_by_role("button", name="From pictures of your own").click()
    model = lp.load("mnist-dcgan-semicircle")
    made = model.generator(model.prior.sample((1,)))[0, 0]
    Image.fromarray(((made + 1) * 127.5).round().byte().detach().numpy()).save(tmp_path / "digit.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    page.set_input_files("#pictures input[type=file]", str(tmp_path / "digit.png"))
    page.wait_for_selector("#pictures .file-preview")
    page.click("#send")
    visit.wait_chosen(3)
    assert "digit.png inverted, RMS error" in page.inner_text("#said")
    page.set_input_files("#pictures input[type=file]", str(tmp_path / "broken.png"))
    page.wait_for_selector("#pictures .file-preview")
    page.click("#send")
    page.wait_for_selector("text=is no picture that can be read")
    assert visit.chosen() == 3


def test_a_cancelled_solve_says_so_and_a_second_one_runs(visit: Visit) -> None:
    page = visit.page
    visit.advanced("Tolerance", "0.000001")
    page.get_by_label("Restarts").first.fill("16")
    page.get_by_label("Restarts").first.press("Tab")
    visit.find()
    page.wait_for_selector("#words svg")
    page.click("#cancel")
    assert "You stopped the solve" in visit.words()


def test_errors_are_words(visit: Visit) -> None:
    page = visit.page
    page.click("#clear")
    visit.wait_chosen(0)
    visit.find()
    page.wait_for_selector("text=a path needs two ends")
    assert "Traceback" not in page.content()


def test_a_loop_through_keyframes_on_another_model(visit: Visit) -> None:
    page = visit.page
    first = page.locator("#samples img").first.get_attribute("src")
    page.get_by_label("Model").click()
    page.get_by_role("option", name="mnist-dcgan-normal").click()
    page.wait_for_function("old => document.querySelector('#samples img').src !== old", arg=first)
    page.locator("#samples .thumbnail-item").nth(3).click()
    visit.wait_chosen(3)
    page.get_by_label("Closed loop").check()
    visit.find()
    assert "converged" in visit.words()
    page.get_by_role("tab", name="Python").click()
    text = page.inner_text("#code")
    assert "lp.interpolate_through(" in text
    assert "closed=True" in text


def test_two_visitors_do_not_meet(browser: Any, server: Server) -> None:
    one, other = Visit(browser, server.url), Visit(browser, server.url)
    one.page.locator("#samples .thumbnail-item").nth(6).click()
    one.wait_chosen(3)
    assert other.chosen() == 2
    one.page.click("#clear")
    one.wait_chosen(0)
    other.find()
    one.find()  # an error of one's
    one.page.wait_for_selector("text=a path needs two ends")
    one.page.click("#cancel")  # nor does this stop the other's
    words = other.words()
    assert "converged" in words
    assert "You stopped" not in words
    for visitor in (one, other):
        assert visitor.wrong == []
        visitor.close()


def test_a_narrow_window_shows_everything_one_below_the_other(browser: Any, server: Server) -> None:
    visitor = Visit(browser, server.url, viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = visitor.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#samples .thumbnail-item").nth(2).focus()
    page.keyboard.press("Enter")  # a keyboard will do
    visitor.wait_chosen(3)
    visitor.find()
    visitor.words()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    visitor.close()


def test_every_control_has_a_label(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name="Advanced").click()
    page.get_by_role("button", name="From pictures of your own").click()
    page.wait_for_timeout(500)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, button, select, textarea')]
            .filter(e => e.offsetParent !== null && e.type !== 'hidden' && e.type !== 'file')
            .filter(e => !(e.ariaLabel || e.title || e.innerText.trim() || e.labels && e.labels.length
                           || e.getAttribute('aria-labelledby') || e.placeholder))
            .map(e => e.outerHTML.slice(0, 160))"""
    )
    assert nameless == []


def test_a_model_of_the_user_and_ctrl_c(browser: Any, tmp_path: Path) -> None:
    server = serving(tmp_path, "--model", "page_server:grey", "--model", "mnist-dcgan-normal")
    visitor = Visit(browser, server.url)
    visitor.find()
    assert "converged" in visitor.words()
    visitor.close()
    assert server.end(signal.SIGINT) == 0
    assert server.left == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "no-such-model"], "no-such-model"),
        (["--model", "mnist-classifier"], "no generator"),
        (["--port", "99999"], "port must be"),
        (["--threads", "0"], "threads"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GRADIO_TEMP_DIR", "TORCHINDUCTOR_CACHE_DIR"):  # put back what the command sets
        monkeypatch.setenv(name, "")
    before = Path.cwd()
    found = CliRunner().invoke(cli.app, ["serve", *arguments])
    assert found.exit_code == 2
    assert said in " ".join(found.stderr.split())
    assert isinstance(found.exception, SystemExit)
    assert Path.cwd() == before


def test_a_taken_port_is_said(server: Server) -> None:
    port = server.url.rsplit(":", 1)[1]
    found = subprocess.run(
        [sys.executable, "-m", "latentpath", "serve", "--port", port, "--model", "mnist-dcgan-normal"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode != 0
    assert "another --port" in found.stderr
