"""The report of a reproduction: Markdown, the same as one self-contained HTML page, and every number as JSON.

It is made from what was measured and from nothing else; the words around the numbers are fixed here, and the verdicts
are those of `claims`.
"""

from __future__ import annotations

import base64
import html
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from .._io import write_file, write_json
from ..solvers import Outcome
from ..summary import listed
from .experiments import KINDS, LINE, PATH, SHORTEST
from .figures import FIGURES, caption
from .plan import Plan
from .said import FEWEST, better, beyond_the_ends, judged_table, solve_rows, words_on_index
from .section import Section, tally
from .settled import SETTLED
from .solved import Solved
from .statistics import COVERAGE, estimate
from .summary import brief, summary
from .tables import measured, shown, table

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
    write_file(files[0], text)
    write_file(files[1], _page(text, out))
    write_json(files[2], _numbers(content), indent=1)
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
                **{fact: values.tolist() for fact, values in _solve(of, kind).items()},
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
        "verdicts": tally([claim for section in content.sections for claim in section.claims]),
        "summary": list(summary(content.sections, content.solved, content.judged)),
        "brief": list(brief(content.sections, content.judged)),
        "claims": [
            {
                "title": section.title,
                "claims": [claim.to_dict() for claim in section.claims],
                "facts": [{"what": what, **value.to_dict()} for what, value in section.facts],
                "checks": [claim.to_dict() for claim in section.checks],
                "remarks": list(section.remarks),
            }
            for section in content.sections
        ],
        "judges": dict(content.judged),
        "other_indices": dict(content.others),
        "missing": dict(content.missing),
        "pairs": pairs,
    }


def _solve(of: Solved, kind: str) -> dict[str, Tensor]:
    """How a kind of curve was solved; gap and tunnels of the path alone, since equation 3 is what it minimises."""
    facts = of.solves.get(kind, {})
    return {fact: facts[fact] for fact in facts if kind == PATH or fact in ("outcome", "evaluations")}


def _lines(content: Content) -> Iterator[str]:
    plan = content.plan
    counts = tally([claim for section in content.sections for claim in section.claims])
    checks = tally([check for section in content.sections for check in section.checks])
    covered = ", ".join(f"{share:.0%} of {n}" for n, share in COVERAGE.items()).replace("%", " %")
    yield "# The paper, figure by figure and claim by claim"
    yield ""
    yield (
        "*Interpolation in Generative Models* (Struski, Tabor, Podolak, Nowak, arXiv 1904.03445) shows a handful of "
        "pictures. Here is every one of its figures from models trained anew, and each of its claims tested on pairs "
        "of endpoints that were drawn and not chosen, with the verdict that so many allow. Everything on this page, "
        "numbers and verdicts included, was written by"
    )
    yield from ("", f"```console\n{content.command}\n```", "")
    yield (
        f"with latentpath {__version__}: {plan.pairs} pairs for each model of digits and {plan.face_pairs} for each of "
        f"faces, seed {plan.seed}, {plan.segments - 1} midpoints, alpha {plan.alpha:g}, tol {plan.tol:g} (that of "
        f"other indices {plan.index_tol:g}). The numbers in square brackets are intervals over the pairs, nominally of "
        f"95 %: bootstrap intervals, but for shares of pairs that are marked as binomial. Of few pairs they cover less "
        f"than that: of samples of a normal distribution the bootstrap's covered {covered} values. A claim *holds* "
        "where the whole interval lies where the claim says, *does not hold* where all of it lies elsewhere, and is "
        "*not decided* in between. Nothing is corrected for the number of claims."
    )
    yield ""
    yield (
        f"**Of {sum(counts.values())} claims {counts['holds']} hold, {counts['does not hold']} do not hold, and "
        f"{counts['not decided']} are not decided.** Of {sum(checks.values())} checks of the solver, which are not "
        f"among them, {checks['holds']} hold."
    )
    yield ""
    yield from (f"- {line}" for line in summary(content.sections, content.solved, content.judged))
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


def _solved_table(content: Content) -> Iterator[str]:
    rows = [
        [
            f"`{name}`" if kind == LINE else "",
            kind,
            *map(shown, map(estimate, (of.cost[kind], of.length[kind], of.ri[kind].mean(1), of.ri[kind].amin(1)))),
        ]
        for name, of in content.solved.items()
        for kind in KINDS
    ]
    yield from table(["model", "curve", "cost, audited", "length, audited", "mean ri", "lowest ri"], rows)
    yield ""
    yield (
        f"“{SHORTEST}” is solved as the curve that is shortest in data space, the limit of alpha going to 0. Cost and "
        "length are in units of the data space, pixels in [-1, 1]."
    )
    yield ""
    yield from table(
        ["model", "D", "curve", "solves", "evaluations (mean)", "pairs with a tunnel", "gap of equation 3"],
        [_solve_row(of, kind) for of in content.solved.values() for kind in (PATH, SHORTEST) if kind in of.solves],
    )
    yield ""
    yield (
        "D is the dimension of the latents. Tunnels and gap are those of equation 3 with the path's points, which the "
        f"solve measures more finely where they hide cost; “{SHORTEST}” minimises another energy."
    )
    yield from _longer(content)
    for name, of in content.solved.items():
        if of.ends:
            yield from ("", f"The endpoints of `{name}` are {of.ends}.")


def _solve_row(of: Solved, kind: str) -> list[str]:
    facts = _solve(of, kind)
    outcomes = Counter(str(Outcome(code)) for code in facts["outcome"].tolist())
    return [
        f"`{of.name}`" if kind == PATH else "",
        str(of.curves[kind].shape[-1]) if kind == PATH else "",
        kind,
        ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()),
        f"{float(facts['evaluations'].mean()):.0f}",
        f"{int((facts['tunnels'] > 0).sum())} of {len(facts['tunnels'])}" if "tunnels" in facts else "–",
        shown(estimate(facts["gap"])) if "gap" in facts else "–",
    ]


def _longer(content: Content) -> Iterator[str]:
    """Where what should be shortest is not."""
    told = []
    for name, of in content.solved.items():
        more = of.length[SHORTEST] / of.length[PATH] - 1
        count = int((more > 0).sum())
        if count:
            told.append(f"{count} of {len(more)} pairs of `{name}` (by up to {100 * float(more.max()):.2g} %)")
    if told:
        yield ""
        yield (
            f"“{SHORTEST}” is longer than the path for {listed(told)}: there it is a local minimum, or one that was "
            "stopped by tol, and not the shortest curve."
        )


def _section(section: Section) -> Iterator[str]:
    yield from (f"### {section.title}", "", section.text, "")
    rows = []
    for claim in section.claims:
        rows.append([claim.text, measured(claim), f"**{claim.verdict}**"])
        rows += [[f"… {part.text}", measured(part), part.verdict] for part in claim.parts]
    rows += [[f"*A check of the solver, not of the paper*: {c.text}", measured(c), c.verdict] for c in section.checks]
    yield from table(["claim", "measured", "verdict"], rows)
    for remark in section.remarks:
        yield from ("", remark)
    if section.facts:
        yield ""
        yield from table(
            ["also", "measured"],
            [[what, shown(value) + (f" ({value.note})" if value.note else "")] for what, value in section.facts],
        )
    yield ""


def _judges(content: Content) -> Iterator[str]:
    yield (
        "A higher index along the path proves nothing: that is what was asked for. So here is what judges say that the "
        f"method never saw, of {content.plan.frames} frames of every curve, evenly spaced in data space (but for "
        "“metric spacing”, the path's own points), its two endpoints left out. In bold what is better than the "
        "straight line, in italics what is worse, where the interval of the paired difference excludes 0; that of the "
        "Fréchet distance is of resampled pairs. Judges marked with † are not independent of the model. Largest over "
        "mean jump speaks of a curve's spacing and not of its frames, and is not counted."
    )
    yield ""
    yield (
        "The endpoints are what the model makes of its prior, or of encodings. A curve whose frames are *better* than "
        "theirs shows what a judge likes, not that its frames are more real than samples. Distance in pixels favours "
        "blur: the mean of two images is nearer to each of them than they are to one another."
    )
    yield ""
    for name, said in content.judged.items():
        yield from (f"### `{name}`", "", *judged_table(said), "", better(said))
        past = beyond_the_ends(said)
        if past:
            yield from ("", f"The frames of the path are better than those of the endpoints by: {'; '.join(past)}.")
        yield ""
    yield from _others(content)


def _others(content: Content) -> Iterator[str]:
    plan = content.plan
    yield from ("### Other indices", "")
    yield (
        "The index need not be the density's. For the first pairs of digits, paths by four others (beyond the paper; "
        "`latentpath.TypicalityIndex`, `DiscriminatorIndex`, `ClassifierIndex`, `KNNIndex`), solved with tol "
        f"{plan.index_tol:g} and at most {plan.index_evaluations} evaluations, and judged in the same way. In bold "
        "what is better than the *path* by the density's index, in italics what is worse, over all pairs, solved or "
        "not. Tunnels are those of equation 3 by the index of the path. † marks a judge that is not independent of the "
        "model, and a number by a judge that is not independent of the index: the judges' classifier and features are "
        "one network, which `ClassifierIndex` and `KNNIndex` are made of. Pixels are independent of it, though the "
        "references of `KNNIndex` are some of the real images."
    )
    yield ""
    yield (
        "The sentences below a table count the judges that are independent of the index, on the pairs whose paths, by "
        f"it and by the density's, converged without a tunnel, and on no fewer than {FEWEST} of them."
    )
    yield ""
    for name, found in content.others.items():
        said, solves = found["judged"], found["solves"]
        rows = solve_rows(said["kinds"], solves)
        yield from (f"#### `{name}`", "", *judged_table(said, "than_path", rows), "")
        yield from (f"- *{index}*: {words_on_index(said, solves, index)}" for index in solves if index != PATH)
        yield ""


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
