"""The report of a reproduction: Markdown, the same as one self-contained HTML page, and every number as JSON.

It is made from what was measured and from nothing else; the words around the numbers are fixed here, and the verdicts
are those of `claims`.
"""

from __future__ import annotations

import base64
import html
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..evaluate import finite
from ..models.pretrained import replace
from .claims import Section, tally
from .experiments import KINDS, LINE, PATH, SHORTEST
from .figures import FIGURES, caption
from .plan import Plan
from .settled import SETTLED
from .solved import Solved
from .statistics import Claim, Estimate, estimate

__all__ = ["Content", "write"]

_STYLE = """
:root{color-scheme:light dark;--ink:#22272e;--line:#d8dde3;--back:#fff;--soft:#f4f6f8}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--line:#3a424c;--back:#16191d;--soft:#1f242a}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{line-height:1.2}h2{margin-top:2.6rem;border-bottom:1px solid var(--line)}
img{max-width:100%;height:auto;background:#fff;border-radius:4px}.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.86rem;margin:1rem 0;font-variant-numeric:tabular-nums}
th{background:var(--soft)}th,td{border-bottom:1px solid var(--line);padding:.35rem .6rem;text-align:left}
td{vertical-align:top}
code,pre{background:var(--soft);border-radius:4px;padding:.1em .3em}pre{padding:.7rem;overflow-x:auto}
td strong{white-space:nowrap}
"""


@dataclass(frozen=True)
class Content:
    """All that a report is made from.

    Attributes:
        plan: the settings.
        command: that made it.
        solved: the main pairs, by model.
        sections: the claims with their verdicts.
        judged: what the judges say, by model.
        others: what they say of other indices, by model of digits.
        missing: data sets that are not here, and why.
    """

    plan: Plan
    command: str
    solved: Mapping[str, Solved]
    sections: Sequence[Section]
    judged: Mapping[str, dict[str, Any]]
    others: Mapping[str, dict[str, Any]]
    missing: Mapping[str, str]


def write(content: Content, out: Path) -> list[Path]:
    """Write ``report.md``, ``report.html`` and ``report.json`` into ``out``, beside the folder of the figures.

    Raises:
        DataError: they cannot be written.
    """
    text = "\n".join(_lines(content)) + "\n"
    files = [out / name for name in ("report.md", "report.html", "report.json")]
    replace(files[0], text.encode())
    replace(files[1], _page(text, out).encode())
    replace(files[2], (json.dumps(finite(_numbers(content)), indent=1, ensure_ascii=False) + "\n").encode())
    return files


def _numbers(content: Content) -> dict[str, Any]:
    """Every number of the report, and those of every pair."""
    pairs = {
        name: {
            kind: {
                "cost": of.cost[kind].tolist(),
                "length": of.length[kind].tolist(),
                "mean_ri": of.ri[kind].mean(1).tolist(),
                "lowest_ri": of.ri[kind].amin(1).tolist(),
            }
            for kind in KINDS
        }
        for name, of in content.solved.items()
    }
    return {
        "command": content.command,
        "plan": asdict(content.plan),
        "versions": {"latentpath": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "models": {name: of.model.card.get("sha256") for name, of in content.solved.items()},
        "endpoints": {name: of.ends or "draws of the prior" for name, of in content.solved.items()},
        "verdicts": tally(content.sections),
        "claims": [
            {
                "title": section.title,
                "claims": [claim.to_dict() for claim in section.claims],
                "facts": [{"what": what, **value.to_dict()} for what, value in section.facts],
            }
            for section in content.sections
        ],
        "judges": dict(content.judged),
        "other_indices": dict(content.others),
        "missing": dict(content.missing),
        "pairs": pairs,
    }


def _lines(content: Content) -> Iterator[str]:
    plan, counts = content.plan, tally(content.sections)
    yield "# The paper, figure by figure and claim by claim"
    yield ""
    yield (
        "*Interpolation in Generative Models* (Struski, Tabor, Podolak, Nowak, arXiv 1904.03445) shows a handful of "
        "pictures. Here is every one of its figures from models trained anew, and each of its claims tested on enough "
        "pairs to know. Everything on this page, numbers and verdicts included, was written by"
    )
    yield from ("", f"```console\n{content.command}\n```", "")
    yield (
        f"with latentpath {__version__}: {plan.pairs} pairs for each model of digits and {plan.face_pairs} for each of "
        f"faces, seed {plan.seed}, {plan.segments - 1} midpoints, alpha {plan.alpha:g}, tol {plan.tol:g}. The "
        "numbers in "
        "square brackets are 95 % bootstrap intervals over the pairs. A claim *holds* where the whole interval lies "
        "where the claim says, *does not hold* where all of it lies elsewhere, and is *not decided* in between. "
        "Nothing "
        "is corrected for the number of claims."
    )
    yield ""
    yield (
        f"**Of {sum(counts.values())} claims {counts['holds']} hold, {counts['does not hold']} do not hold, and "
        f"{counts['not decided']} are not decided.**"
    )
    for why in content.missing.values():
        yield from ("", f"Not measured here: {why}.")
    yield from ("", "## What was solved", "")
    yield from _solved_table(content)
    yield from ("", "## The claims", "")
    for section in content.sections:
        yield from _section(section)
    yield from ("", "## Is it really more realistic?", "")
    yield from _judges(content)
    yield from ("", "## The figures", "")
    for number, spec in FIGURES.items():
        yield from (f"### Figure {number}: {spec.title}", "")
        yield from (f"![Figure {number}](figures/figure-{number}.png)", "", caption(number, content.solved), "")
    yield from ("## What the paper leaves open, and how it was settled", "")
    for question, answer in SETTLED:
        yield f"- **{question}** {answer}"


def _shown(value: Estimate) -> str:
    if not value.decisive:
        return f"{value.mean:.3g}"
    return f"{value.mean:.3g} [{value.low:.3g}, {value.high:.3g}]"


def _stored(value: Mapping[str, Any] | None) -> str:
    return "–" if value is None else _shown(Estimate.from_dict(value))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _solved_table(content: Content) -> Iterator[str]:
    rows = [
        [
            f"`{name}`" if kind == LINE else "",
            kind,
            *map(_shown, map(estimate, (of.cost[kind], of.length[kind], of.ri[kind].mean(1), of.ri[kind].amin(1)))),
        ]
        for name, of in content.solved.items()
        for kind in KINDS
    ]
    yield from _table(["model", "curve", "cost, audited", "length, audited", "mean ri", "lowest ri"], rows)
    yield ""
    yield (
        f"“{SHORTEST}” is the curve that is shortest in data space, the limit of alpha going to 0. Cost and "
        "length are in "
        "units of the data space, pixels in [-1, 1]."
    )
    for name, of in content.solved.items():
        if of.ends:
            yield f"The endpoints of `{name}` are {of.ends}."


def _section(section: Section) -> Iterator[str]:
    yield from (f"### {section.title}", "", section.text, "")
    rows = []
    for claim in section.claims:
        rows.append([claim.text, _measured(claim), f"**{claim.verdict}**"])
        rows += [[f"… {part.text}", _measured(part), part.verdict] for part in claim.parts]
    yield from _table(["claim", "measured", "verdict"], rows)
    if section.facts:
        yield ""
        yield from _table(["also", "measured"], [[what, _shown(value)] for what, value in section.facts])
    yield ""


def _measured(claim: Claim) -> str:
    if claim.measured is None:
        return ""
    note = f" ({claim.measured.note})" if claim.measured.note else ""
    return f"{_shown(claim.measured)}, n = {claim.measured.n}{note}"


def _judges(content: Content) -> Iterator[str]:
    yield (
        "A higher index along the path proves nothing: that is what was asked for. So here is what judges say that the "
        f"method never saw, of {content.plan.frames} frames of every curve, evenly spaced in data space (but for "
        "“metric "
        "spacing”, the path's own points), its two endpoints left out. In bold what is better than the straight line, "
        "in italics what is worse, where the interval of the paired difference excludes 0. Judges marked with † "
        "are not "
        "independent of the model; the frames of the endpoints say what can be hoped for."
    )
    yield ""
    for name, said in content.judged.items():
        yield from (f"### `{name}`", "", *_judged(said), "", _better(said), "")
    yield from ("### Other indices", "")
    yield (
        "The index need not be the density's. For the first pairs of digits, paths by four others (beyond the paper; "
        "`latentpath.TypicalityIndex`, `DiscriminatorIndex`, `ClassifierIndex`, `KNNIndex`), judged in the same "
        "way. The "
        "judge's own classifier, the discriminator and the features are what three of these indices are made of, "
        "so the "
        "judge of the same kind is not independent of them; pixels and the remaining judges are."
    )
    yield ""
    for name, found in content.others.items():
        yield from (f"#### `{name}`", "", *_judged(found["judged"]), "")
        for index, ended in found["ended"].items():
            how = ", ".join(f"{count} {outcome}" for outcome, count in ended.items())
            spent = found["evaluations"][index]
            better = _better(found["judged"], index, PATH)
            yield f"- *{index}* ({how}, after {spent:.0f} evaluations on average). {better}"
        yield ""


def _judged(said: Mapping[str, Any]) -> Iterator[str]:
    kinds = said["kinds"]
    rows = []
    for row in said["rows"]:
        mark = "" if row["independent"] else " †"
        cells = [f"{row['title']}{mark} ({row['unit']}; {'higher' if row['higher_is_better'] else 'lower'} is better)"]
        for kind in kinds:
            text = _stored(row["estimates"][kind])
            verdict = row["than_line"].get(kind, {}).get("verdict")
            cells.append(f"**{text}**" if verdict == "holds" else f"*{text}*" if verdict == "does not hold" else text)
        rows.append([*cells, "–" if row["ends"] is None else f"{row['ends']:.3g}"])
    yield from _table(["judge", *kinds, "endpoints"], rows)
    yield ""
    yield f"{said['pairs']} pairs, {said['frames']} frames each" + (
        f", against {said['real']:,} real images." if said["real"] else "."
    )
    for why in dict.fromkeys(left["why"] for left in said["missing"]):
        titles = ", ".join(left["title"] for left in said["missing"] if left["why"] == why)
        yield from ("", f"Not measured: {titles} ({why}).")


def _better(said: Mapping[str, Any], kind: str = PATH, than: str = LINE) -> str:
    """What the independent judges say of one kind of curve against another, in words."""
    key = "than_line" if than == LINE else "than_path"
    by: dict[str, list[str]] = {"holds": [], "does not hold": [], "not decided": []}
    for row in said["rows"]:
        if row["independent"] and row["name"] != "smoothness":
            by[row[key][kind]["verdict"]].append(row["title"])
    count = sum(map(len, by.values()))
    if count == 1:
        verdict, title = next((verdict, titles[0]) for verdict, titles in by.items() if titles)
        says = {"holds": "finds them better", "does not hold": "finds them worse", "not decided": "cannot tell"}
        return (
            f"The one independent judge ({title}) of the frames of the {kind}, against those of the {than}, "
            f"{says[verdict]}."
        )
    judges = "independent judges" if than == LINE else "judges"
    return (
        f"Of {count} {judges} {len(by['holds'])} find the frames of the {kind} better than those of the "
        f"{than}{_in_brackets(by['holds'])}, {len(by['does not hold'])} worse{_in_brackets(by['does not hold'])}, and "
        f"{len(by['not decided'])} cannot tell{_in_brackets(by['not decided'])}."
    )


def _in_brackets(words: Sequence[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def _page(text: str, out: Path) -> str:
    """The Markdown as one HTML page, its pictures inside."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    for number in FIGURES:
        picture = base64.b64encode((out / "figures" / f"figure-{number}.png").read_bytes()).decode()
        inside = f'src="data:image/png;base64,{picture}" loading="lazy"'
        body = body.replace(f'src="figures/figure-{number}.png"', inside)
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    title = html.escape(text.split("\n", 1)[0].removeprefix("# "))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>\n{body}</main></body></html>\n"
    )
