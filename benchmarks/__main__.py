"""``python -m benchmarks``, or ``make bench``: every method on every problem, what it costs, and how that grows."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from . import PARTS

LIMIT, QUICK_LIMIT = 1500, 100
RESULTS = Path(__file__).parent / "results" / "bench.json"
EXAMPLES = """examples:
  python -m benchmarks                                    everything: hours, but what is done is kept
  python -m benchmarks --quick                            a few pairs, 100 evaluations: about two minutes
  python -m benchmarks --fresh ours overhead memory growth   after a change of the library: ours again, with restarts
  python -m benchmarks --methods ours ours-restarts --onto benchmarks/results/bench.json   the rest as it was
  python -m benchmarks --redraw                           the table and the pictures from the committed results
  python -m benchmarks --constants                        each tuning constant halved and doubled: ten minutes
  python -m benchmarks --constants levels search.lower --problems mlp valleys   some of them, on some problems
  python -m benchmarks --problems mlp closed-forms --methods ours adam --parts convergence

Every measurement is kept in OUT/cache as soon as it is made; one that is there is not made again, so a run that was
stopped goes on where it was. The report in OUT (bench.json, bench.md, convergence.svg and .png; of a quick run in
OUT/quick) holds all that was chosen. A whole run of everything also puts it into benchmarks/results and docs/images.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare the ways to solve for a path, side by side: energy and audited cost by evaluations of the "
        "generator, the time and memory beside it, and how they grow.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = found.add_argument
    add("--quick", action="store_true", help="few pairs, 100 evaluations instead of 1,500, two sizes of each growth")
    add("--problems", nargs="+", metavar="PROBLEM", help="only these, by name or group (mlp, closed-forms, ...)")
    add("--methods", nargs="+", metavar="METHOD", help="only these, by name or family (ours, adam, adam-0.03, ...)")
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}")
    add("--fresh", nargs="+", metavar="METHOD", default=[], help="measure these methods or parts (or 'all') again")
    add("--out", type=Path, default=Path("out/bench"), help="folder of the cache and the report (%(default)s)")
    add("--onto", type=Path, metavar="FILE", help="an earlier bench.json: what it has and this run has not is kept")
    add(
        "--redraw",
        nargs="?",
        type=Path,
        const=RESULTS,
        metavar="FILE",
        help="measure nothing: make bench.md and the pictures anew from a bench.json, by default the committed one",
    )
    add(
        "--constants",
        nargs="*",
        metavar="CONSTANT",
        help="halve and double the solvers' tuning constants (all, or those of a name or group, as levels or "
        "levels.coarse_tol) and report what changes, in OUT/constants.json and constants.md",
    )
    add("--seed", type=_seed, default=0, help="of the endpoints and the random network (%(default)s)")
    add("--threads", type=_threads, help="CPU threads; PyTorch's choice by default")
    return found


def _threads(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 2 ** 63, got {number}")
    return number


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns the exit status."""
    options = parser().parse_args(arguments)
    if options.constants is not None and (options.quick or options.methods or options.onto or options.redraw):
        parser().error("--constants goes with --problems, --fresh, --out and --threads alone")
    missing = [name for name in ("scipy", "matplotlib") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"The benchmarks need {' and '.join(missing)}: pip install -e '.[data,viz,test]', or use `make bench`.")
        return 2
    from . import constants
    from .growth import Failed
    from .progress import Progress, duration
    from .run import Settings, Unknown, redraw, run

    progress = Progress()
    try:
        if options.redraw is not None:
            redraw(options.redraw, None, progress)
            return 0
        del options.redraw
        names = options.constants
        del options.constants
        settings = Settings(**vars(options), limit=QUICK_LIMIT if options.quick else LIMIT)
        took = run(settings, progress) if names is None else constants.run(settings, names, progress)
    except (Unknown, Failed) as error:
        print(f"python -m benchmarks: {error}", file=sys.stderr)
        return 2 if isinstance(error, Unknown) else 1
    except OSError as error:
        print(f"python -m benchmarks: cannot write to {options.out} ({error})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        progress.say(
            f"\nStopped. What is finished is kept in {options.out / 'cache'}; the same command goes on from there."
        )
        return 130
    progress.say(f"Done in {duration(took)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
