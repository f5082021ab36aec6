"""``python -m benchmarks.page``: the page under load, and under hostile inputs.

*Load*: several programs at once, each a separate visitor, ask the page's endpoint for paths between seeds of their own,
for two minutes. Each answer is checked: the ends of the path must be the latents of these seeds. Memory is that of the
server's process, before, at the most, and half a minute after.

*Hostile inputs*: see `benchmarks.hostile`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import torch

from latentpath._io import write_json

from .hostile import attacks
from .server import Server

MODEL, RESULTS = "mnist-dcgan-semicircle", Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs" / "page.md"
_REST = 30.0
_BEGIN, _END = "<!-- page numbers: begin -->", "<!-- page numbers: end -->"


def load(seconds: float, visitors: int) -> dict[str, Any]:
    """The page under load."""
    from gradio_client import Client
    from gradio_client.exceptions import AppError
    from gradio_client.utils import QueueError

    import latentpath as lp
    from latentpath.models.sampling import draw

    model = lp.load(MODEL)
    assert model.prior is not None
    told: Counter[str] = Counter()
    waits: list[float] = []
    lock = threading.Lock()

    def visit(number: int, url: str, folder: Path, until: float) -> None:
        client = Client(url, download_files=str(folder), verbose=False)
        turn = 0
        while time.monotonic() < until:
            seeds = (1000 * number + turn, 1000 * number + turn + 500)
            turn += 1
            began = time.monotonic()
            try:
                answer = client.predict(
                    model=MODEL, seeds=f"{seeds[0]},{seeds[1]}", segments=20, seconds=1, fps=10, api_name="/interpolate"
                )
            except (AppError, QueueError, httpx.HTTPError, ValueError) as error:
                with lock:
                    told["queue is full" if "queue is full" in str(error).lower() else f"{error}"[:80]] += 1
                time.sleep(1)
                continue
            path = lp.Path.load(answer[3])
            ends = [draw(model.prior, 1, torch.Generator().manual_seed(seed))[0] for seed in seeds]
            right = torch.equal(path.start[0], ends[0]) and torch.equal(path.end[0], ends[1])
            with lock:
                told["right answer" if right else "wrong answer"] += 1
                waits.append(time.monotonic() - began)

    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), "--model", MODEL)
        try:
            time.sleep(20)  # it warms up
            before = most = server.memory
            until = time.monotonic() + seconds
            threads = [
                threading.Thread(target=visit, args=(i, server.url, Path(folder) / f"v{i}", until))
                for i in range(visitors)
            ]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                most = max(most, server.memory)
                time.sleep(0.5)
            time.sleep(_REST)
            after = server.memory
            status = server.end()
            waits.sort()
            return {
                "visitors": visitors,
                "seconds": seconds,
                "answers": dict(told),
                "wait": {"median": waits[len(waits) // 2], "longest": waits[-1]} if waits else None,
                "memory MB": {"before": before, "most": most, "after": after},
                "status": status,
                "tracebacks": server.tracebacks,
                "left": server.left,
            }
        finally:
            server.end()


def hostile() -> dict[str, Any]:
    """Every hostile input, and what became of it."""
    counts: dict[str, Counter[str]] = {}
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), "--model", MODEL)
        try:
            with httpx.Client(base_url=server.url, timeout=120, follow_redirects=True) as client:
                for attack in attacks(client.get("/config").json(), str(Path(__file__).resolve())):
                    answer = attack.send(client)
                    fate = "read from outside" if answer.leaked else "refused" if answer.refused else "not refused"
                    counts.setdefault(attack.kind, Counter())[fate] += 1
                    if fate != "refused":
                        bad.append(f"{attack.kind}: {attack.name}: {answer.status} {answer.message[:60]}")
                    if not server.alive:
                        bad.append(f"{attack.kind}: {attack.name}: the server is gone")
                        break
            alive = server.alive
            return {
                "inputs": sum(sum(each.values()) for each in counts.values()),
                "kinds": {kind: dict(each) for kind, each in counts.items()},
                "not refused": bad,
                "alive": alive,
                "status": server.end(),
                "left": server.left,
            }
        finally:
            server.end()


def table(found: dict[str, Any]) -> str:
    """The results as the docs have them, Markdown."""
    lines = []
    if "load" in found:
        now, memory = found["load"], found["load"]["memory MB"]
        answers = ", ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in sorted(now["answers"].items()))
        wait = now["wait"] or {"median": float("nan"), "longest": float("nan")}
        words = (
            f"*Load*: {now['visitors']} programs at once for {now['seconds']:.0f} s, each a visitor that asks for "
            "paths between digits of its own seeds and their films, and checks the ends of every answer: "
            f"{answers}; median wait {wait['median']:.0f} s, longest {wait['longest']:.0f} s. Memory of the server: "
            f"{memory['before']:.0f} MB before, {memory['most']:.0f} MB at the most, {memory['after']:.0f} MB half a "
            f"minute after ({memory['after'] / memory['before'] - 1:+.0%})."
        )
        lines += [words, ""]
    if "hostile" in found:
        now = found["hostile"]
        fates = sorted({fate for kind in now["kinds"].values() for fate in kind})
        words = (
            f"*Hostile inputs*: {now['inputs']} of them; the server is {'still there' if now['alive'] else 'gone'}, "
            f"and {'nothing is' if not now['left'] else 'something is'} left in its temporary folder after it ended."
        )
        lines += [words, "", "| sent to | " + " | ".join(fates) + " |", "|---|" + "--:|" * len(fates)]
        lines += [
            f"| {_KINDS[kind]} | " + " | ".join(str(counts.get(fate, 0)) for fate in fates) + " |"
            for kind, counts in now["kinds"].items()
        ]
        lines += ["", '"Refused": with an error in words or a status of 400 to 499, and nothing of what was asked for.']
    return "\n".join(lines).strip()


_KINDS = {
    "endpoint": "the endpoint (every argument: NaN, infinities, huge, wrong types, code, paths)",
    "click": "events of the page (clicks on what is not there)",
    "file": "routes for files (`../`, encodings, absolute paths, URLs)",
    "upload": "uploads (empty, damaged, bombs, other formats, hostile names, files never sent)",
    "route": "other routes (broken JSON, unknown events, wrong methods)",
}


def into_docs(text: str, page: Path = DOCS) -> None:
    """Put the results where the docs have room for them."""
    before, rest = page.read_text().split(_BEGIN)
    page.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{rest.split(_END)[1]}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=120, help="of load (%(default)s)")
    parser.add_argument("--visitors", type=int, default=20, help="at once (%(default)s)")
    parser.add_argument("--parts", nargs="+", choices=("load", "hostile"), default=["load", "hostile"])
    parser.add_argument("--out", type=Path, default=RESULTS / "page.json", help="the results (%(default)s)")
    chosen = parser.parse_args()
    found = json.loads(chosen.out.read_text()) if chosen.out.is_file() else {}
    if "load" in chosen.parts:
        found["load"] = load(chosen.seconds, chosen.visitors)
    if "hostile" in chosen.parts:
        found["hostile"] = hostile()
    write_json(chosen.out, found)
    if chosen.out == RESULTS / "page.json":
        into_docs(table(found))
    print(table(found))


if __name__ == "__main__":
    main()
