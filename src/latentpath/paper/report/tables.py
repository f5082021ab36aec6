"""The tables of the report in Markdown: curves, solves, claims, facts and judges."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from ..._tables import markdown
from ...solvers import Outcome
from ..claims.sections import Section
from ..claims.verdicts import Claim
from ..results import KINDS, LINE, OWN, PATH, SHORTEST, ModelResult
from ..statistics import Estimate, estimate
from .judge_sentences import NOT_COUNTED, is_independent


def number(value: Estimate, digits: int = 3) -> str:
    """A number with its interval."""
    interval = f" [{value.low:.{digits}g}, {value.high:.{digits}g}]" if value.decisive else ""
    return f"{value.mean:.{digits}g}{interval}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(markdown(head, list(rows)))


def curve_table(results: Mapping[str, ModelResult]) -> str:
    """Cost, length and index of every kind of curve of every model."""
    rows = [
        [
            f"`{name}`" if kind == LINE else "",
            kind,
            *(number(estimate(value)) for value in (result.cost[kind], result.length[kind])),
            *(number(estimate(value)) for value in (result.ri[kind].mean(1), result.ri[kind].amin(1))),
        ]
        for name, result in results.items()
        for kind in KINDS
    ]
    return table(["model", "curve", "cost, audited", "length, audited", "mean ri", "lowest ri"], rows)


def solver_facts(result: ModelResult, kind: str) -> dict[str, Tensor]:
    """The solver's facts on a kind of curve; gap and tunnels of the path alone, since equation 3 is its objective."""
    facts = result.solves.get(kind, {})
    return {fact: facts[fact] for fact in facts if kind == PATH or fact in ("outcome", "evaluations")}


def solver_table(results: Mapping[str, ModelResult]) -> str:
    """Outcomes, evaluations, tunnels and gap of the paths and the shortest curves."""
    head = ["model", "D", "curve", "solves", "evaluations (mean)", "pairs with a tunnel", "gap of equation 3"]
    solved = [(result, kind) for result in results.values() for kind in (PATH, SHORTEST) if kind in result.solves]
    rows = []
    for result, kind in solved:
        facts = solver_facts(result, kind)
        tunnels = facts.get("tunnels")
        rows.append(
            [
                f"`{result.name}`" if kind == PATH else "",
                str(result.curves[kind].shape[-1]) if kind == PATH else "",
                kind,
                _outcomes(map(str, Outcome.from_codes(facts["outcome"]))),
                f"{float(facts['evaluations'].mean()):.0f}",
                "–" if tunnels is None else f"{int((tunnels > 0).sum())} of {len(tunnels)}",
                number(estimate(facts["gap"])) if "gap" in facts else "–",
            ]
        )
    return table(head, rows)


def _outcomes(outcomes: Iterable[str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in Counter(outcomes).items())


def claim_table(section: Section) -> str:
    """Every claim of a section with its parts, and the checks of the solver."""
    rows = []
    for claim in section.claims:
        rows.append([claim.text, _measured(claim), f"**{claim.verdict}**"])
        rows += [[f"… {part.text}", _measured(part), part.verdict] for part in claim.parts]
    rows += [[f"*A check of the solver, not of the paper*: {c.text}", _measured(c), c.verdict] for c in section.checks]
    return table(["claim", "measured", "verdict"], rows)


def _measured(claim: Claim) -> str:
    """The number that a claim's verdict was read off; empty for a claim of parts."""
    if claim.measured is None:
        return ""
    return f"{number(claim.measured)}, n = {claim.measured.n}{_note(claim.measured)}"


def _note(value: Estimate) -> str:
    return f" ({value.note})" if value.note else ""


def fact_table(section: Section) -> str:
    """The further numbers of a section."""
    return table(["also", "measured"], [[name, number(value) + _note(value)] for name, value in section.facts])


def judge_table(
    record: Mapping[str, Any], than: str = "than_line", solves: Mapping[str, Mapping[str, Sequence[Any]]] | None = None
) -> str:
    """A row for every judge, a column for every kind of curve, and for own samples where they were judged."""
    kinds = record["kinds"] + [OWN] * bool(record.get("own"))
    rows = []
    for row in record["rows"]:
        better = "higher" if row["higher_is_better"] else "lower"
        cells = [f"{row['title']}{'' if row['independent'] else ' †'} ({row['unit']}; {better} is better)"]
        for kind in kinds:
            if kind not in row["estimates"]:
                cells.append("–")
                continue
            text = number(Estimate.from_dict(row["estimates"][kind]), 4 if row["name"] in NOT_COUNTED else 3)
            mark = {"holds": "**", "does not hold": "*"}.get(row[than].get(kind, {}).get("verdict"), "")
            dagger = " †" if row["independent"] and not is_independent(row, kind) else ""
            cells.append(f"{mark}{text}{mark}{dagger}")
        rows.append([*cells, "–" if row["ends"] is None else f"{row['ends']:.3g}"])
    return table(["judge", *kinds, "endpoints"], rows + (_solve_rows(kinds, solves) if solves else []))


def _solve_rows(kinds: Sequence[str], solves: Mapping[str, Mapping[str, Sequence[Any]]]) -> list[list[str]]:
    def row(title: str, cell: Any) -> list[str]:
        return [title, *(cell(solves[kind]) if kind in solves else "–" for kind in kinds), "–"]

    return [
        row("solves", lambda solve: _outcomes(solve["outcome"])),
        row("evaluations (mean)", lambda solve: f"{sum(solve['evaluations']) / len(solve['evaluations']):.0f}"),
        row("pairs with a tunnel", lambda solve: f"{sum(count > 0 for count in solve['tunnels'])}"),
    ]
