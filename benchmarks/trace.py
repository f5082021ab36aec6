"""The best paths of a method after given numbers of evaluations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

import latentpath as lp
from latentpath.curves import resampled

from .counting import Meter
from .problems import MAX_POINTS, Problem

EARLY = (10, 20, 40, 80)
_DIFFERS = 1e-3


class Enough(Exception):  # noqa: N818 - not an error: raised in a method that has no other way to stop
    """The evaluations allowed are spent."""


def checkpoints(limit: int) -> list[int]:
    """The counts at which polylines are kept and audited."""
    return [n for n in EARLY if n < limit] + [limit]


def marks(limit: int) -> list[float]:
    """The counts at which a trace is kept: every half up to 20, every one up to 100, then every 3 %."""
    found = [0.5 * i for i in range(41)] + [float(i) for i in range(21, 101)]
    while found[-1] < limit:
        found.append(float(round(found[-1] * 1.03)))
    return [mark for mark in found if mark < limit] + [float(limit)]


@dataclass
class Trace:
    """The best a method held when its evaluations, a mean over the pairs, last were at or below each mark.

    Attributes:
        marks: numbers of evaluations.
        spent: the evaluations spent when the best was found, one for each mark.
        energy: the energy of equation 3, ``(B,)`` for each mark.
        held: the polylines at the checkpoints, ``(B, K+1, D)``.
        final: the polylines that the method returned, or held when it was stopped.
        total: the evaluations spent in all.
    """

    marks: list[float]
    spent: list[float] = field(default_factory=list)
    energy: list[Tensor] = field(default_factory=list)
    held: dict[int, Tensor] = field(default_factory=dict)
    final: Tensor = field(default_factory=lambda: torch.empty(0))
    total: float = 0.0

    @classmethod
    def joined(cls, traces: Sequence[Trace]) -> Trace:
        """One trace of pairs that were solved one after the other."""
        columns = range(len(traces[0].marks))
        return cls(
            marks=traces[0].marks,
            spent=[sum(trace.spent[i] for trace in traces) / len(traces) for i in columns],
            energy=[torch.cat([trace.energy[i] for trace in traces]) for i in columns],
            held={n: torch.cat([trace.held[n] for trace in traces]) for n in traces[0].held},
            final=torch.cat([trace.final for trace in traces]),
            total=sum(trace.total for trace in traces) / len(traces),
        )


class Tracer:
    """Makes a `Trace` from the polylines that a method reports after every step.

    Args:
        problem: the problem that is solved.
        meter: counts the work of its generator.
        limit: the evaluations at which the method should stop.
        report: told the evaluations so far, now and then.
    """

    def __init__(
        self, problem: Problem, meter: Meter, limit: int, report: Callable[[float], None] | None = None
    ) -> None:
        self.problem, self.meter, self.limit = problem, meter, limit
        self.unit, self.began, self.report, self._told = problem.flops * problem.pairs, meter.flops, report, 0.0
        self.trace, self.checkpoints = Trace(marks(limit)), checkpoints(limit)
        self.latents = problem.line
        self.energy = self.measure(self.latents)
        self.spent = 0.0

    @property
    def evaluations(self) -> float:
        """The counted evaluations, a mean over the pairs."""
        return (self.meter.flops - self.began) / self.unit

    def measure(self, latents: Tensor) -> Tensor:
        """Returns the energy of equation 3 of polylines, without counting evaluations."""
        with self.meter.counting(False), torch.no_grad():
            return lp.energy(latents, self.meter.generator, self.problem.index, max_points=MAX_POINTS)

    def take(self, latents: Tensor, energy: Tensor) -> None:
        """Records polylines ``(B, K+1, D)`` of the method, with their energy of equation 3."""
        self._pass(self.evaluations)
        self.latents, self.energy = latents.detach().clone(), energy.detach().clone()

    def offer(self, latents: Tensor, energy: Tensor) -> None:
        """Records polylines of some of the pairs, of any number of points, with the values that the method measured.

        A pair is known by its endpoints. Of several polylines for one pair the best counts; one that is worse than
        what is held counts only where the method measures something finer than equation 3.
        """
        spent = self.evaluations
        full = latents.shape[1] == self.problem.segments + 1
        latents = latents.detach() if full else resampled(latents.detach(), self.problem.segments)
        found = self.measure(latents)
        finer = full & ((energy - found).abs() > _DIFFERS * found)
        self._pass(spent)
        best, kept = self.energy.clone(), self.latents.clone()
        fresh = torch.zeros_like(best, dtype=torch.bool)
        for one, pair in enumerate(self._pairs(latents)):
            if found[one] < best[pair] or (bool(finer[one]) and not fresh[pair]):
                best[pair], kept[pair], fresh[pair] = found[one], latents[one], True
        self.latents, self.energy = kept, best

    def finish(self, latents: Tensor | None = None) -> Trace:
        """Returns the complete trace: the polylines that the method returned hold from now on."""
        total = self.evaluations
        self._pass(total)
        if latents is not None:
            self.latents, self.energy = latents.detach().clone(), self.measure(latents)
        self.spent = min(total, self.limit)
        self._pass(float("inf"))
        self.trace.final, self.trace.total = self.latents, total
        return self.trace

    def _pass(self, spent: float) -> None:
        """Records the best polylines at the marks below ``spent``."""
        while len(self.trace.spent) < len(self.trace.marks) and self.trace.marks[len(self.trace.spent)] < spent:
            mark = self.trace.marks[len(self.trace.spent)]
            self.trace.spent.append(self.spent)
            self.trace.energy.append(self.energy)
            if mark in self.checkpoints:
                self.trace.held[int(mark)] = self.latents
        self.spent = spent
        if self.report is not None and time.monotonic() - self._told > 1:
            self._told = time.monotonic()
            self.report(min(spent, self.limit))

    def _pairs(self, latents: Tensor) -> list[int]:
        ends = torch.cat([self.problem.start, self.problem.end], dim=-1)
        these = torch.cat([latents[:, 0], latents[:, -1]], dim=-1)
        return (these[:, None] == ends).all(-1).long().argmax(-1).tolist()
