"""The tuning constants of all solvers, in one frozen configuration.

Every constant has a line with its unit, its meaning, and the test or benchmark that fails when it is wrong.
``python -m benchmarks --constants`` mutates each by a factor of two and reports the changes in evaluations, energy and
outcome. Sizes of memory blocks change no result, and stay where they are used.

Solvers read the active configuration, ``config()``; `configured` replaces it within a ``with`` block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

__all__ = ["Configuration", "config", "configured"]


@dataclass(frozen=True)
class Convergence:
    """The criterion of convergence (see `latentpath.solvers.protocol`)."""

    gain_share: float = 0.02  # of tol: the predicted gain of a converged path; test_closed_forms.py
    creeping_gain: float = 20.0  # times tol: the predicted gain accepted in a slow path; test_verdict.py
    refresh: int = 25  # steps: the preconditioner is factorised anew; test_gradient_descent.py


@dataclass(frozen=True)
class LineSearch:
    """Backtracking, of paths and of points (see `latentpath.solvers.lbfgs_core`)."""

    sufficient_decrease: float = 1e-4  # of the predicted decrease (Armijo); test_lbfgs.py
    shortest_cut: float = 0.1  # of the refused step: the next trial is at least this long; test_lbfgs.py
    longest_cut: float = 0.5  # of the refused step: the next trial is at most this long; test_lbfgs.py
    max_refusals: int = 12  # trials in a row, before the history is forgotten; test_lbfgs.py
    min_curvature: float = 1e-10  # cosine of step and gradient change: below, the pair is not stored; test_lbfgs.py


@dataclass(frozen=True)
class PathDescent:
    """The steps and the end of L-BFGS on paths (see `latentpath.solvers.lbfgs`)."""

    growth: float = 2.0  # of the accepted step length, up to 1; benchmark, digits
    window: int = 3  # accepted steps between checks of the observed gain; benchmark, digits
    idle_gain: float = 20.0  # times tol, over a window: less is not worth more work; benchmark, digits
    small_gain_steps: int = 2  # accepted steps in a row of small predicted gain, to converge; test_closed_forms.py
    slow_ratio: float = 0.3  # of the gain predicted a window ago: above, convergence is slow; benchmark, digits


@dataclass(frozen=True)
class PointSearch:
    """The steps and the end of L-BFGS on points (see `latentpath.solvers.point_descent`)."""

    window: int = 10  # evaluations between checks of the observed decrease; test_inversion.py
    halvings: int = 10  # of a coordinate that leaves the support; test_inversion.py
    negligible: float = 1e-12  # absolute decrease that counts as none; test_inversion.py


@dataclass(frozen=True)
class Preconditioning:
    """The Gauss-Newton preconditioner (see `latentpath.solvers.preconditioner`)."""

    full_dim: int = 32  # latents: at most these are measured in all directions; benchmark, mlp
    rank: int = 16  # directions measured of more latents; benchmark, mlp
    tangents: int = 192  # Jacobian products of a path at most; benchmark, mlp
    fewest_sites: int = 4  # segments where the metric is measured; benchmark, closed forms
    most_sites: int = 8  # segments where the metric is measured; benchmark, mlp
    ridge: float = 0.05  # of the mean eigenvalue, added to the metric; benchmark, closed forms
    weight_floor: float = 0.02  # of the mean weight, added to every segment's; benchmark, closed forms
    unseen: float = 1e-4  # of the mean eigenvalue: below, the data do not depend on a direction; test_degenerate.py


@dataclass(frozen=True)
class Levels:
    """The coarse levels (see `latentpath.solvers.multilevel`)."""

    coarsest: int = 4  # segments of the coarsest level at least; benchmark, closed forms
    halvings: int = 3  # coarser levels at most; benchmark, mlp
    coarse_tol: float = 5.0  # times tol, on coarse levels; benchmark, mlp
    draft_evaluations: int = 3  # on the finest level, before its midpoints are measured; test_refinement.py


@dataclass(frozen=True)
class Refinement:
    """The refinement of paths that hide cost (see `latentpath.solvers.refinement`)."""

    gap: float = 0.02  # relative excess of the audited cost that calls for refinement; test_refinement.py
    rounds: int = 8  # at most; test_refinement.py
    round_evaluations: float = 40.0  # path evaluations of a round at most; test_refinement.py
    chord_order: float = 2.5  # a chord's error falls by this when halved (4 smooth, 2 with kinks); benchmark, digits
    hidden_share: float = 0.1  # of a segment's cost: the share that a part may hide; test_refinement.py
    most_parts: int = 64  # of a segment; test_refinement.py
    jump: float = 1.5  # audited over discrete cost: above, a jump, which is solved fully first; test_refinement.py
    least_evaluations: float = 4.0  # path evaluations that are worth another solve; test_refinement.py
    even_speed: float = 0.9  # discrete cost over sqrt(2E): below, points are spread anew; test_degenerate.py
    clearly_cheaper: float = 0.95  # of a bound for the initial path: below, it needs no audit; test_refinement.py
    not_cheaper: float = 1e-5  # relative: the initial path must be cheaper by more to be returned; test_degenerate.py
    tie: float = 2e-3  # relative: an initial path cheaper by less is the same minimum; test_degenerate.py


@dataclass(frozen=True)
class MeshGrading:
    """The spacing of points for a degenerate metric (see `latentpath.solvers.mesh_grading`)."""

    rounds: int = 14  # at most; test_degenerate.py
    splitting_rounds: int = 6  # the first ones, which may move points; test_degenerate.py
    segment_waste: float = 0.2  # of a segment's cost, wasted by one that is split; test_degenerate.py
    path_waste: float = 5e-4  # of the path's cost, wasted by a segment that is split; test_degenerate.py
    split_parts: float = 4.0  # of a split segment; test_degenerate.py
    most_in_jumps: float = 0.6  # of all segments; test_degenerate.py
    jump_cost: float = 0.3  # of the mean segment cost: below, a segment belongs to a jump; test_degenerate.py
    shortest_time: float = 1e-3  # of the mean time of a segment; test_degenerate.py
    worthwhile: float = 0.05  # of tol: the gain of a round that calls for another; test_degenerate.py


@dataclass(frozen=True)
class Saddles:
    """Bends off a subspace of symmetry (see `latentpath.solvers.saddles`)."""

    large_bend: float = 0.35  # of the distance of the ends; test_degenerate.py
    small_bend: float = 0.1  # of the distance of the ends; test_degenerate.py
    coarsening: int = 8  # segments of a path to one that is compared; test_degenerate.py
    rounding: float = 1e3  # roundings: a smaller singular value is an unused direction; test_degenerate.py


@dataclass(frozen=True)
class Smoothing:
    """Paths whose energy is rounding (see `latentpath.solvers.rounding`)."""

    few_segments: int = 4  # times fewer, of the finer coarse solve; test_resolution.py
    fewest_segments: int = 8  # times fewer, of the coarser one; test_resolution.py
    evaluations: float = 20.0  # of each coarse solve; test_resolution.py
    many_waves: int = 8  # sine waves that the finer low-pass keeps; test_resolution.py
    few_waves: int = 3  # sine waves that the coarser one keeps; test_resolution.py


@dataclass(frozen=True)
class Search:
    """Multi-start (see `latentpath.solvers.multistart`)."""

    auto_starts: int = 16  # of restarts="auto"; test_multistart.py
    coarsening: int = 4  # segments of a path to one of a start; test_multistart.py
    coarsest: int = 4  # segments of a start at least; test_multistart.py
    evaluations: float = 15.0  # of each start on the coarse level; test_multistart.py
    ranking_parts: int = 4  # of a segment, to rank starts by cost; test_multistart.py
    lower: float = 0.01  # relative: a start cheaper by more is refined; test_multistart.py
    different: float = 0.002  # relative: a cost farther off is another minimum; test_multistart.py
    refined: int = 2  # a start is refined if fewer cheaper ones come before it; test_multistart.py
    small_bump: float = 0.15  # of the way to a sample; test_multistart.py
    large_bump: float = 0.3  # of the way to a sample; test_multistart.py
    same_minimum: float = 0.01  # relative: a stalled path cheaper by less keeps the old outcome; test_multistart.py
    bend_waves: int = 3  # sine waves of a bend; test_multistart.py
    large_bend: float = 0.35  # of the distance of the ends; test_multistart.py
    small_bend: float = 0.1  # of the distance of the ends; test_multistart.py
    cells: int = 16  # of the index on a part, to rank by cost; test_multistart.py
    resampling_parts: int = 16  # of a start that is resampled by cost; test_multistart.py


@dataclass(frozen=True)
class SampleGraph:
    """The graph of prior samples (see `latentpath.solvers.sample_graph`)."""

    edge_parts: int = 2  # of an edge, to price it; test_sample_graph.py
    edge_cells: int = 64  # of the index on a part of an edge; test_sample_graph.py
    neighbours: int = 8  # of every point; test_sample_graph.py
    cluster_neighbours: int = 3  # of the sparser graph that tells clusters apart; test_sample_graph.py
    pool: int = 16  # candidate samples for each sample of the graph; test_sample_graph.py
    added: int = 4  # samples for each one that may be added; test_sample_graph.py
    uncovered: float = 2.0  # times the usual distance: a farther sample is uncovered; test_sample_graph.py
    usual_quantile: float = 0.95  # of the distances of nearest neighbours; test_sample_graph.py
    shortcut: int = 8  # corners left out at once at most; test_sample_graph.py


@dataclass(frozen=True)
class BoundedSupport:
    """Solves in coordinates of a bounded support (see `latentpath.solvers.bounded_support`)."""

    affine: float = 1e-9  # relative second difference of an affine map; test_bounded_support.py
    pulled: float = 0.5  # coordinates: a boundary point moves by more when moved inside; test_bounded_support.py
    polish_gain: float = 0.01  # relative: the least gain of a polish of a converged path; test_bounded_support.py
    tie: float = 2e-3  # relative: a line cheaper by less is the same minimum; test_bounded_support.py
    polish_evaluations: float = 60.0  # path evaluations at most; test_bounded_support.py
    least_evaluations: float = 20.0  # path evaluations that are worth a polish; test_bounded_support.py


@dataclass(frozen=True)
class Baselines:
    """Gradient descent and Adam (see `latentpath.solvers.gradient_descent` and `latentpath.solvers.adam`)."""

    growth: float = 1.25  # of the step size after an accepted trial; test_gradient_descent.py
    shrinkage: float = 0.5  # of the step size after a refused trial; test_gradient_descent.py
    max_refusals: int = 60  # trials in a row, before gradient descent stalls; test_gradient_descent.py
    adam_patience: int = 25  # steps without a new best, before the step size halves; test_adam.py
    adam_negligible: float = 1e-5  # of the first step size: below, Adam has stalled; test_adam.py


@dataclass(frozen=True)
class Configuration:
    """All tuning constants, one section for each module."""

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
    """Makes another configuration the active one, in this thread, within a ``with`` block.

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
