"""The tuning constants of all solvers, in one frozen configuration.

Every constant stands on a line with its unit, its meaning, and what notices a factor of two in it: a problem of
``python -m benchmarks --constants``, which halves and doubles each and reports changes of evaluations, cost, energy
and outcome, or tests/solvers/test_configuration.py. Sizes of memory blocks and guards against rounding change no
result, and stay where they are used.

Solvers read the active configuration, ``config()``; `configured` replaces it for the time of a ``with`` block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

__all__ = ["Configuration", "config", "configured"]


@dataclass(frozen=True)
class Convergence:
    """When a path is good enough (see `latentpath.solvers.protocol`)."""

    gain_share: float = 0.02  # of tol: the predicted gain of a converged path; benchmark, paper-55
    creeping_gain: float = 20.0  # times tol: what a path that creeps may still promise; benchmark, wall
    refresh: int = 25  # steps: the preconditioner is factorised anew; test_configuration.py


@dataclass(frozen=True)
class LineSearch:
    """Backtracking, of paths and of points (see `latentpath.solvers.lbfgs_core`)."""

    sufficient_decrease: float = 1e-4  # of the predicted decrease (Armijo); test_configuration.py
    shortest_cut: float = 0.1  # of the refused step: the next trial is at least this long; benchmark, kink-lbfgs
    longest_cut: float = 0.5  # of the refused step: the next trial is at most this long; benchmark, kink-lbfgs
    max_refusals: int = 12  # trials in a row, before the history is forgotten; benchmark, corner-lbfgs


@dataclass(frozen=True)
class PathDescent:
    """How L-BFGS on paths goes on and ends (see `latentpath.solvers.lbfgs`)."""

    growth: float = 2.0  # of the accepted step length, up to 1; benchmark, mlp
    window: int = 3  # accepted steps between looks at the observed gain; benchmark, paper-55
    small_gain_steps: int = 2  # accepted steps in a row of small predicted gain, to converge; benchmark, paper-55
    slow_ratio: float = 0.3  # of the gain predicted a window ago: above, convergence is slow; benchmark, paper-55


@dataclass(frozen=True)
class PointSearch:
    """How L-BFGS on points goes on and ends (see `latentpath.solvers.point_descent`)."""

    window: int = 10  # evaluations between looks at the observed decrease; benchmark, inversion
    halvings: int = 10  # of a coordinate that leads through a wall; benchmark, inversion-walled


@dataclass(frozen=True)
class Preconditioning:
    """The Gauss-Newton preconditioner (see `latentpath.solvers.preconditioner`)."""

    full_dim: int = 32  # latents: up to here the Jacobian is measured in all directions; benchmark, mlp
    rank: int = 16  # directions measured beyond; benchmark, mlp
    tangents: int = 192  # Jacobian products of a path at most; benchmark, sphere-20
    fewest_sites: int = 4  # segments where the metric is measured; benchmark, paper-55
    most_sites: int = 8  # segments where the metric is measured; benchmark, paper-55
    ridge: float = 0.05  # of the mean eigenvalue, added to the metric; benchmark, radial-45
    weight_floor: float = 0.02  # of the mean weight, added to every segment's; benchmark, mlp
    unseen: float = 1e-4  # of the mean eigenvalue: a direction below is not seen by the data; benchmark, weak-latent


@dataclass(frozen=True)
class Levels:
    """Coarse paths first (see `latentpath.solvers.multilevel`)."""

    coarsest: int = 4  # segments of the coarsest level at least; benchmark, paper-55
    halvings: int = 3  # coarser levels at most; benchmark, paper-55
    coarse_tol: float = 5.0  # times tol, on coarse levels; benchmark, paper-55
    draft_evaluations: int = 3  # on the finest level, before its midpoints are measured; benchmark, sphere-20


@dataclass(frozen=True)
class Refinement:
    """Where energy and audit disagree (see `latentpath.solvers.refinement`)."""

    gap: float = 0.02  # relative excess of the audited cost that calls for refinement; benchmark, degenerate
    rounds: int = 8  # at most; benchmark, corner-gradient-descent
    round_evaluations: float = 40.0  # path evaluations of a round at most; benchmark, degenerate
    chord_order: float = 2.5  # a halved chord's error falls by this (smooth: 4, kinks: 2); benchmark, degenerate
    hidden_share: float = 0.1  # of a segment's cost: what a part may hide; benchmark, degenerate
    jump: float = 1.5  # audited cost over the energy's: a jump above, solved fully first; benchmark, degenerate
    least_evaluations: float = 4.0  # path evaluations that are worth another solve; test_configuration.py
    even_speed: float = 0.9  # discrete cost over sqrt(2E): below, points are spread anew; benchmark, degenerate
    tie: float = 2e-3  # relative: an initial path cheaper by less is the same minimum; test_configuration.py


@dataclass(frozen=True)
class MeshGrading:
    """Points where the data do not see every latent (see `latentpath.solvers.mesh_grading`)."""

    rounds: int = 14  # at most; benchmark, dead-latent
    splitting_rounds: int = 6  # the first ones, which may move points; benchmark, degenerate
    segment_waste: float = 0.2  # of a segment's cost, wasted by one that is split; benchmark, dead-latent
    path_waste: float = 5e-4  # of the path's cost, wasted by a segment that is split; benchmark, degenerate
    split_parts: float = 4.0  # of a split segment; benchmark, dead-latent
    most_in_jumps: float = 0.6  # of all segments; benchmark, dead-latent
    jump_cost: float = 0.3  # of the mean segment cost: below, a segment belongs to a jump; benchmark, degenerate
    shortest_time: float = 1e-3  # of the mean time of a segment; benchmark, dead-latent
    worthwhile: float = 0.05  # of tol: the gain of a round that calls for another; benchmark, dead-latent


@dataclass(frozen=True)
class Saddles:
    """The look off a subspace of symmetry (see `latentpath.solvers.saddles`)."""

    large_bend: float = 0.35  # of the distance of the ends; benchmark, plateaus
    small_bend: float = 0.1  # of the distance of the ends; benchmark, plateaus
    coarsening: int = 8  # segments of a path to one that is compared; benchmark, plateaus


@dataclass(frozen=True)
class Smoothing:
    """Paths whose energy is rounding (see `latentpath.solvers.rounding`)."""

    few_segments: int = 4  # times fewer, of the finer coarse solve; benchmark, bfloat16
    fewest_segments: int = 8  # times fewer, of the coarser one; benchmark, bfloat16
    evaluations: float = 20.0  # of each coarse solve; benchmark, bfloat16
    many_waves: int = 8  # sine waves that the finer low-pass keeps; benchmark, bfloat16
    few_waves: int = 3  # sine waves that the coarser one keeps; benchmark, bfloat16


@dataclass(frozen=True)
class Search:
    """Multi-start (see `latentpath.solvers.multistart`)."""

    auto_starts: int = 16  # of restarts="auto"; benchmark, through-the-mode
    coarsening: int = 4  # segments of a path to one of a start; benchmark, valleys
    coarsest: int = 4  # segments of a start at least; benchmark, digits-restarts
    evaluations: float = 15.0  # of each start on the coarse level; benchmark, valleys
    ranking_parts: int = 4  # of a segment, to rank starts by cost; benchmark, valleys
    lower: float = 0.01  # relative: a start cheaper by more is refined; test_configuration.py
    different: float = 0.002  # relative: a cost farther off is another minimum; test_configuration.py
    refined: int = 2  # a start is refined if fewer cheaper ones come before it; test_configuration.py
    small_bump: float = 0.15  # of the way to a sample; benchmark, through-the-mode
    large_bump: float = 0.3  # of the way to a sample; benchmark, through-the-mode
    same_minimum: float = 0.01  # relative: a stalled path cheaper by less keeps the old outcome; test_configuration.py
    bend_waves: int = 3  # sine waves of a bend; benchmark, valleys
    large_bend: float = 0.35  # of the distance of the ends; benchmark, valleys
    small_bend: float = 0.1  # of the distance of the ends; benchmark, valleys
    cells: int = 16  # of the index on a part, to rank by cost; benchmark, valleys
    resampling_parts: int = 16  # of a start that is resampled by cost; benchmark, valleys


@dataclass(frozen=True)
class SampleGraph:
    """The graph of prior samples (see `latentpath.solvers.sample_graph`)."""

    edge_parts: int = 2  # of an edge, to price it; benchmark, clusters
    edge_cells: int = 64  # of the index on a part of an edge; test_configuration.py
    neighbours: int = 8  # of every point; benchmark, clusters
    cluster_neighbours: int = 3  # of the sparser graph that tells clusters apart; benchmark, stepping-stone
    pool: int = 16  # samples looked through for each one taken; benchmark, stepping-stone
    added: int = 4  # samples to one that may be added; test_configuration.py
    uncovered: float = 2.0  # times the usual distance: a sample farther off is uncovered; benchmark, clusters
    usual_quantile: float = 0.95  # of the distances of nearest neighbours; benchmark, clusters
    shortcut: int = 8  # corners left out at once at most; test_configuration.py


@dataclass(frozen=True)
class BoundedSupport:
    """Solves in coordinates of a bounded support (see `latentpath.solvers.bounded_support`)."""

    polish_gain: float = 0.01  # relative: what a polish of a converged path must bring; benchmark, square
    polish_evaluations: float = 60.0  # path evaluations at most; benchmark, square
    least_evaluations: float = 20.0  # path evaluations that are worth a polish; test_configuration.py


@dataclass(frozen=True)
class Baselines:
    """Gradient descent and Adam."""

    growth: float = 1.25  # of the step size after an accepted trial; benchmark, corner-gradient-descent
    shrinkage: float = 0.5  # of the step size after a refused trial; benchmark, corner-gradient-descent
    max_refusals: int = 60  # trials in a row, before gradient descent stalls; benchmark, corner-gradient-descent
    adam_patience: int = 25  # steps without a new best, before the step size halves; benchmark, kink-adam
    adam_negligible: float = 1e-5  # of the first step size: below, Adam has stalled; benchmark, corner-adam


@dataclass(frozen=True)
class Configuration:
    """All tuning constants, by what they tune."""

    convergence: Convergence = field(default_factory=Convergence)
    line_search: LineSearch = field(default_factory=LineSearch)
    path_descent: PathDescent = field(default_factory=PathDescent)
    point_search: PointSearch = field(default_factory=PointSearch)
    preconditioning: Preconditioning = field(default_factory=Preconditioning)
    levels: Levels = field(default_factory=Levels)
    refinement: Refinement = field(default_factory=Refinement)
    mesh_grading: MeshGrading = field(default_factory=MeshGrading)
    saddles: Saddles = field(default_factory=Saddles)
    smoothing: Smoothing = field(default_factory=Smoothing)
    search: Search = field(default_factory=Search)
    sample_graph: SampleGraph = field(default_factory=SampleGraph)
    bounded_support: BoundedSupport = field(default_factory=BoundedSupport)
    baselines: Baselines = field(default_factory=Baselines)


_DEFAULT = Configuration()
_active: ContextVar[Configuration] = ContextVar("latentpath solver configuration", default=_DEFAULT)


def config() -> Configuration:
    """Returns the active configuration."""
    return _active.get()


@contextmanager
def configured(configuration: Configuration) -> Iterator[None]:
    """Makes another configuration the active one, in this thread, for the time of a ``with`` block.

    Example:
        >>> from dataclasses import replace
        >>> from latentpath.solvers.configuration import config, configured
        >>> levels = replace(config().levels, coarse_tol=10.0)
        >>> with configured(replace(config(), levels=levels)):
        ...     config().levels.coarse_tol
        10.0
    """
    token = _active.set(configuration)
    try:
        yield
    finally:
        _active.reset(token)
