"""The files of the report: Markdown, one self-contained HTML page of the same text, and every number as JSON.

The text is in ``templates/report.md.j2``, around tables and sentences that follow from the numbers.
"""

from __future__ import annotations

import base64
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ... import __version__
from ..._io import to_json, write_file
from ..._words import listed
from ..claims.sections import Section, counts
from ..config import Config
from ..figures.catalogue import FIGURES, caption
from ..method_verdicts import method_verdicts
from ..results import KINDS, PATH, SHORTEST, ModelResult
from ..statistics import COVERAGE
from . import judge_sentences, method_tables, tables
from .findings import brief, headline, summary

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Content:
    """Everything that a report is made from."""

    config: Config
    command: str
    results: Mapping[str, ModelResult]  # of the main job, by model
    sections: Sequence[Section]  # the claims with their verdicts
    judges: Mapping[str, dict[str, Any]]  # the records of the judges, by model
    # by model of digits, how paths by other indices were solved, and the records of their judges
    other_indices: Mapping[str, dict[str, Any]]
    missing: Mapping[str, str]  # by data set, the reason why it has no images
    captions: Mapping[str, str] = field(default_factory=dict)  # by file without suffix, of the pictures of methods


def write(content: Content, out: Path) -> list[Path]:
    """Writes ``report.md``, ``report.html`` and ``report.json`` into ``out``, beside the folder of the figures."""
    templates = _environment()
    text = _markdown(templates, content)
    numbers = to_json(_numbers(content), indent=1) + "\n"
    contents = {"report.md": text, "report.html": _page(templates, text, out), "report.json": numbers}
    for name, each in contents.items():
        write_file(out / name, each)
    return [out / name for name in contents]


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Nothing is escaped: the text is Markdown, whose HTML is switched off when the page is rendered.
    layout: dict[str, Any] = dict.fromkeys(("trim_blocks", "lstrip_blocks", "keep_trailing_newline"), True)
    return Environment(loader=PackageLoader(__package__ or ""), undefined=StrictUndefined, autoescape=False, **layout)


def _markdown(templates: Environment, content: Content) -> str:
    return templates.get_template("report.md.j2").render(
        {**vars(judge_sentences), **vars(tables), **vars(method_tables)},  # the functions that the template calls
        FIGURES=FIGURES,
        PATH=PATH,
        SHORTEST=SHORTEST,
        caption=caption,
        content=content,
        config=content.config,
        results=content.results,
        version=__version__,
        coverage=COVERAGE,
        verdicts=counts([claim for section in content.sections for claim in section.claims]),
        checks=counts([check for section in content.sections for check in section.checks]),
        summary=summary(content.sections, content.results, content.judges),
        longer=_longer(content.results),
        headline=headline(method_verdicts(content.results, content.judges)),
    )


def _longer(results: Mapping[str, ModelResult]) -> str:
    """The models and numbers of pairs whose "shortest" curve is longer than the path; may be empty."""
    clauses = []
    for name, result in results.items():
        more = result.length[SHORTEST] / result.length[PATH] - 1
        count = int((more > 0).sum())
        if count:
            clauses.append(f"{count} of {len(more)} pairs of `{name}` (by up to {100 * float(more.max()):.2g} %)")
    return listed(clauses)


def _page(templates: Environment, text: str, out: Path) -> str:
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)

    def inside(found: re.Match[str]) -> str:
        picture = base64.b64encode((out / found[1]).read_bytes()).decode()
        return f'src="data:image/png;base64,{picture}" loading="lazy"'

    body = re.sub(r'src="(figures/[a-z0-9-]+\.png)"', inside, body)
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    title = text.split("\n", 1)[0].removeprefix("# ")
    return templates.get_template("page.html.j2").render(title=title, body=body)


def _without_pairs(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record of judges without its numbers by pair, which are many."""
    rows = [{key: value for key, value in row.items() if key != "values"} for row in record["rows"]]
    return {**record, "rows": rows}


def _numbers(content: Content) -> dict[str, Any]:
    pairs = {
        name: {
            kind: {
                "cost": result.cost[kind].tolist(),
                "length": result.length[kind].tolist(),
                "mean_ri": result.ri[kind].mean(1).tolist(),
                "lowest_ri": result.ri[kind].amin(1).tolist(),
                **{fact: values.tolist() for fact, values in tables.solver_facts(result, kind).items()},
            }
            for kind in KINDS
        }
        for name, result in content.results.items()
    }
    return {
        "command": content.command,
        "plan": asdict(content.config),
        "versions": {"latentpath": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "models": {name: result.model.card.get("sha256") for name, result in content.results.items()},
        "endpoints": {name: result.endpoint_source or "draws of the prior" for name, result in content.results.items()},
        "verdicts": counts([claim for section in content.sections for claim in section.claims]),
        "summary": list(summary(content.sections, content.results, content.judges)),
        "brief": list(brief(content.sections, content.judges)),
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
        "methods": [
            {**asdict(each), "direct": each.direct.to_dict(), "frechet": each.frechet and each.frechet.to_dict()}
            for each in method_verdicts(content.results, content.judges)
        ],
        "headline": headline(method_verdicts(content.results, content.judges)),
        "judges": {name: _without_pairs(record) for name, record in content.judges.items()},
        "other_indices": dict(content.other_indices),
        "missing": dict(content.missing),
        "pairs": pairs,
    }
