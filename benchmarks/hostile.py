"""Two hundred hostile inputs to the page, and the answer to each.

Each is sent as raw HTTP, outside the page's own client: to the public endpoint, to the events behind the page's
controls, to the routes for files, and as uploads. The server must answer each with a message (an error in words, or a
status of 400 to 499), must read nothing outside its work folder, and must keep running.
"""

from __future__ import annotations

import io
import json
import struct
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

__all__ = ["Answer", "Attack", "ask", "attacks", "png_of"]

SECRETS = ("root:", "[project]", "def load(", "import torch")
"""Texts that no answer may hold: lines of files outside the work folder that the attacks ask for."""


@dataclass(frozen=True)
class Answer:
    """An answer of the server.

    Attributes:
        status: the status of the last HTTP response.
        text: the text of all responses.
        message: the error in words, or empty.
    """

    status: int
    text: str
    message: str

    @property
    def refused(self) -> bool:
        """True for a message or a status of 400 to 499, without a traceback."""
        said = bool(self.message) or 400 <= self.status < 500
        return said and "Traceback" not in self.text and self.status < 500

    @property
    def leaked(self) -> bool:
        """True where the answer holds a line of a file outside the work folder."""
        return any(secret in self.text for secret in SECRETS)


@dataclass(frozen=True)
class Attack:
    """A hostile input.

    Attributes:
        kind: the group that it belongs to.
        name: a short description.
        send: sends it, and returns the answer.
    """

    kind: str
    name: str
    send: Callable[[httpx.Client], Answer]


def ask(client: httpx.Client, which: int, data: list[Any], event: Any = None, session: str | None = None) -> Answer:
    """Puts an event into the queue, by its number, and waits for the answer."""
    name = session or uuid.uuid4().hex
    body = {"data": data, "event_data": event, "fn_index": which, "session_hash": name, "trigger_id": None}
    joined = client.post("/gradio_api/queue/join", content=_json(body), headers={"content-type": "application/json"})
    if joined.status_code != 200:
        return Answer(joined.status_code, joined.text, _detail(joined.text))
    lines, warned = [], ""
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": name}) as stream:
        for line in stream.iter_lines():
            if not line.startswith("data:"):
                continue
            lines.append(line)
            now = json.loads(line[5:])
            if now.get("msg") == "log" and now.get("level") == "warning":  # a message on the page
                warned = str(now.get("log", ""))
            if now.get("msg") in ("process_completed", "close_stream", "unexpected_error"):
                output = now.get("output") or {}
                said = output.get("error") or now.get("message") or ""
                return Answer(stream.status_code, "\n".join(lines), warned or ("" if now.get("success") else str(said)))
    return Answer(200, "\n".join(lines), "")


def _json(body: Any) -> str:
    """Writes NaN and Infinity as Python's parser reads them."""
    return json.dumps(body, allow_nan=True)


def _detail(text: str) -> str:
    try:
        return str(json.loads(text).get("detail", ""))
    except (ValueError, AttributeError):
        return text[:200]


def _got(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.text, _detail(response.text) if response.status_code >= 400 else "")


def png_of(width: int, height: int) -> bytes:
    """Returns a PNG with this size in its header and a few bytes of zeros as pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def _tiff(width: int, height: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "TIFF", compression="group4")
    return buffer.getvalue()


def attacks(config: dict[str, Any], outside: str) -> Iterator[Attack]:
    """Yields all hostile inputs.

    Args:
        config: the description of the page that the server gives at ``/config``.
        outside: an absolute path of a text file outside the work folder.
    """
    events = {each["api_name"] or f"event {each['id']}": each for each in config["dependencies"]}
    by_target = {(target, kind): each["id"] for each in events.values() for target, kind in each["targets"]}
    ids = {each["props"].get("elem_id"): each["id"] for each in config["components"]}
    public = events["interpolate"]["id"]
    usual = [_default(config, each) for each in events["interpolate"]["inputs"]]
    yield from _on_endpoint(public, usual)
    yield from _on_events(by_target, ids)
    yield from _on_files(outside)
    takes = next(each["id"] for each in events.values() if each["inputs"] == [ids["pictures"]])
    yield from _on_uploads(takes)
    yield from _on_routes(public, usual)


def _default(config: dict[str, Any], which: int) -> Any:
    return next(each["props"].get("value") for each in config["components"] if each["id"] == which)


_NUMBERS: tuple[Any, ...] = (
    float("nan"),
    float("inf"),
    -float("inf"),
    1e308,
    -1,
    10**30,
    "9",
    "",
    None,
    [],
    {},
    [[1]],
    True,
    "1; import os",
)
_WORDS: tuple[Any, ...] = (
    "../../../etc/passwd",
    "/etc/passwd",
    "os:system",
    "__import__('os').system('id')",
    "x" * 100_000,
    "\x00",
    "\u202e\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "<script>alert(1)</script>",
    "{{7*7}}",
    "%s%s%s%n",
    "' OR 1=1 --",
    None,
    3,
    [],
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
)


def _on_endpoint(which: int, usual: list[Any]) -> Iterator[Attack]:
    """Yields hostile values for every argument of the public endpoint."""

    def with_value(place: int, value: Any) -> Callable[[httpx.Client], Answer]:
        data = [value if i == place else each for i, each in enumerate(usual)]
        return lambda client: ask(client, which, data)

    for place in range(2):
        for value in _WORDS:
            yield Attack("endpoint", f"argument {place} = {value!r:.40}", with_value(place, value))
    for place in range(2, len(usual)):
        known = usual[place]
        if isinstance(known, bool):
            some: tuple[Any, ...] = ("maybe", float("nan"), [1])
        elif isinstance(known, str):
            some = _WORDS[:4]
        else:
            some = (*_NUMBERS[place % 4 :: 4], float("nan"))
        for value in some:
            yield Attack("endpoint", f"argument {place} = {value!r:.40}", with_value(place, value))
    for seeds in ("1", "1,,2", "1,2;3", "9" * 50 + ",1", "-1,2", "1,2,3,4,5,6,7,8,9", "1e3,2", "NaN,1", "١,٢"):
        yield Attack("endpoint", f"seeds {seeds:.30}", with_value(1, seeds))


def _on_events(by_target: dict[tuple[int, str], int], ids: dict[str, int]) -> Iterator[Attack]:
    """Yields clicks on elements that do not exist, for the page's own events."""
    for element in ("samples", "chosen", "map"):
        event = by_target[ids[element], "select"]
        for index in (-1, 10**9, 1.5, "0", None, [0, 1, 2], "../x", float("nan"), [float("nan"), 1], {}):
            data = ["1"] if element == "map" else []

            def send(client: httpx.Client, event: int = event, index: Any = index, data: Any = data) -> Answer:
                return ask(client, event, data, {"index": index, "value": None, "_data": {}})

            yield Attack("click", f"{element} at {index!r:.30}", send)


def _on_files(outside: str) -> Iterator[Attack]:
    """Yields requests for files outside the work folder."""
    ways = [
        outside,
        "/etc/passwd",
        "../" * 12 + "etc/passwd",
        "..%2f" * 12 + "etc/passwd",
        "%2e%2e/" * 12 + "etc/passwd",
        "....//" * 8 + "etc/passwd",
        "..\\" * 8 + "etc\\passwd",
        "/proc/self/environ",
        "/proc/self/cmdline",
        "/dev/zero",
        "file:///etc/passwd",
        "http://127.0.0.1:9/x",
        "https://169.254.169.254/latest/meta-data",
        "ftp://127.0.0.1/x",
        "~/.bashrc",
        ".",
        "/",
        "",
        "/etc/passwd\x00.png",
        "C:\\Windows\\win.ini",
    ]
    for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/"):
        for way in ways:
            sent = _requested("GET", route + quote(way, safe="/%:~."))
            yield Attack("file", f"{route}{way!r:.40}", sent)


def _on_uploads(which: int) -> Iterator[Attack]:
    """Yields hostile uploads, each followed by the event that takes it."""
    good = png_of(28, 28)
    files = {
        "empty": ("a.png", b""),
        "text": ("a.png", b"hello " * 1000),
        "cut": ("a.png", good[:40]),
        "bomb": ("a.png", png_of(60_000, 60_000)),
        "wide bomb": ("a.png", png_of(2**31 - 1, 1)),
        "fax bomb": ("a.tiff", _tiff(30_000, 30_000)),
        "named up": ("../../../../tmp/evil.png", b"x"),
        "named root": ("/etc/cron.d/evil", b"x"),
        "named long": ("a" * 300 + ".png", b"x"),
        "named null": ("a\x00.png", b"x"),
        "named newline": ("a\r\nX: y.png", b"x"),
        "svg": ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        "postscript": ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n"),
        "html": ("a.html", b"<script>alert(1)</script>"),
        "pickle": ("a.pt", b"\x80\x04cos\nsystem\n(S'id'\ntR."),
        "zip": ("a.png", b"PK\x03\x04" + b"\0" * 100),
        "large": ("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * (11 * 2**20)),
    }
    for name, (called, content) in files.items():

        def send(client: httpx.Client, called: str = called, content: bytes = content) -> Answer:
            sent = client.post("/gradio_api/upload", files={"files": (called, content)})
            if sent.status_code != 200:
                return _got(sent)
            return ask(client, which, [[{"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}]])

        yield Attack("upload", name, send)
    for path in (
        "/etc/passwd",
        "../../etc/passwd",
        "http://127.0.0.1:9/a.png",
        "file:///etc/passwd",
        "",
        None,
        3,
        "\x00",
    ):

        def pretend(client: httpx.Client, path: Any = path) -> Answer:
            return ask(client, which, [[{"path": path, "url": path, "meta": {"_type": "gradio.FileData"}}]])

        yield Attack("upload", f"never sent: {path!r}", pretend)


def _on_routes(which: int, usual: list[Any]) -> Iterator[Attack]:
    """Yields HTTP requests that no browser sends."""
    join, headers = "/gradio_api/queue/join", {"content-type": "application/json"}
    bodies = (
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{}",
        b'{"data": 3}',
        b"[" * 50_000,
        b'{"fn_index": 99999, "data": []}',
    )
    for body in bodies:
        yield Attack("route", f"join with {body[:24]!r}", _requested("POST", join, content=body, headers=headers))
    wrong = (
        (99999, usual),
        (-1, usual),
        (which, []),
        (which, usual[:3]),
        (which, "no list"),
    )
    for number, data in wrong:

        def call(client: httpx.Client, number: int = number, data: Any = data) -> Answer:
            return ask(client, number, data)

        yield Attack("route", f"event {number} with {str(data)[:20]}", call)
    for path in (
        "/gradio_api/call/nothing",
        "/gradio_api/run/predict",
        "/gradio_api/component_server",
        "/gradio_api/reset",
    ):
        yield Attack("route", path, _requested("POST", path, content=b'{"data": []}', headers=headers))
    for path in (
        "/../../etc/passwd",
        "/static/../../../etc/passwd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/custom_component/x/y/z/w",
    ):
        yield Attack("route", path, _requested("GET", path))


def _requested(method: str, path: str, **more: Any) -> Callable[[httpx.Client], Answer]:
    """Returns a function that sends one request and returns its response as the answer."""
    return lambda client: _got(client.request(method, path, **more))
