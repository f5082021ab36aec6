"""``latentpath interpolate``: paths between latents of any model, from seeds, a file, or pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError, require
from .train import one_line_errors, use_threads

if TYPE_CHECKING:
    from rich.console import Console

    from ..models import Model
    from ..value_range import ValueRange
    from .comparison import Found
    from .endpoints import Pairs

__all__ = ["Ends", "Settings", "interpolate", "run"]

_BYTE = 255


class Solver(StrEnum):
    """The solvers by name."""

    multilevel = "multilevel"
    lbfgs = "lbfgs"
    adam = "adam"
    gradient_descent = "gradient_descent"


class Space(StrEnum):
    """Where lengths are measured."""

    data = "data"
    latent = "latent"


@dataclass(frozen=True)
class Ends:
    """Where the endpoints come from: one of these.

    Attributes:
        seeds: texts such as ``"1,2"``, one for each pair.
        pairs: how many are drawn from the prior.
        latents: a file.
        starts: picture files.
        ends: as many.
    """

    seeds: tuple[str, ...] = ()
    pairs: int | None = None
    latents: Path | None = None
    starts: tuple[Path, ...] = ()
    ends: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        given = {
            "--seeds": bool(self.seeds),
            "--pairs": self.pairs is not None,
            "--latents": self.latents is not None,
            "--from and --to": bool(self.starts or self.ends),
        }
        chosen = [name for name, there in given.items() if there]
        ways = "--seeds 1,2 or --pairs 4 or --latents FILE or --from a.png --to b.png"
        if not chosen:
            raise InputError(f"between what? Give the endpoints: {ways}")
        if len(chosen) > 1:
            raise InputError(f"endpoints come from one place, and {' and '.join(chosen)} were given: choose {ways}")
        if self.pairs is not None and self.pairs < 1:
            raise InputError(f"--pairs must be at least 1, got {self.pairs}")


@dataclass(frozen=True)
class Settings:
    """The settings of a run, as the command's help describes them.

    Attributes:
        model: what `latentpath.load` takes.
        loading: its options that were given.
        segments: ``K``.
        alpha: the scale of the index.
        tol: the relative gain in cost that is not worth more work.
        seed: of drawn endpoints, restarts and inversion.
        solving: options of `latentpath.interpolate` that were given.
        inverting: options for pictures that were given.
        threads: CPU threads; None for PyTorch's choice.
        device: where to compute; None where the model is.
        pairs: how many are drawn, if any are.
        value_range: of the pixels that the model makes; None for what it declares, or else its samples.
    """

    model: str
    loading: dict[str, Any]
    segments: int
    alpha: float
    tol: float
    seed: int
    solving: dict[str, Any]
    inverting: dict[str, Any]
    threads: int | None = None
    device: str | None = None
    pairs: int | None = None
    value_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        from .comparison import check_run

        check_run(
            segments=self.segments,
            tol=self.tol,
            seed=self.seed,
            pairs=self.pairs,
            threads=self.threads,
            **self.solving,
        )


@one_line_errors
def interpolate(
    model: Annotated[
        str, typer.Option(help="A shipped model ([bold]latentpath models[/bold]), or what latentpath.load takes.")
    ] = "mnist-dcgan-semicircle",
    prior: Annotated[
        str | None, typer.Option(help="Of the latents, where the model does not say.", show_default=False)
    ] = None,
    latent_dim: Annotated[
        int | None, typer.Option(min=1, help="Length of a latent, where the model does not say.", show_default=False)
    ] = None,
    seeds: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="Between the draws of two seeds; repeatable.")
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(help="So many pairs, drawn by --seed as the demo does.", show_default=False)
    ] = None,
    latents: Annotated[
        Path | None,
        typer.Option(
            help="File with latents (B, 2, D), or start and end: .npy, .npz, .safetensors.", show_default=False
        ),
    ] = None,
    from_: Annotated[
        list[Path] | None, typer.Option("--from", help="A picture to start at; repeatable, with as many --to.")
    ] = None,
    to: Annotated[list[Path] | None, typer.Option("--to", help="A picture to end at.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures, the paths and the report.")] = Path(
        "out/interpolate"
    ),
    segments: Annotated[int, typer.Option(help="Segments of every curve.")] = 50,
    alpha: Annotated[float, typer.Option(help="Scale of the realism index, in (0, 1].")] = 0.9,
    tol: Annotated[float, typer.Option(help="Gain in cost that is not worth more work.")] = 1e-3,
    solver: Annotated[Solver, typer.Option(help="How the energy is lowered.")] = Solver.multilevel,
    embed: Annotated[Space, typer.Option(help="Space in which lengths are measured.")] = Space.data,
    restarts: Annotated[
        str | None, typer.Option(metavar="N|auto", help="Starts to search lower minima from.", show_default=False)
    ] = None,
    max_evaluations: Annotated[
        float | None, typer.Option(help="Path evaluations that each path may spend.", show_default=False)
    ] = None,
    max_points: Annotated[
        int | None, typer.Option(help="Most points the generator gets in one call.", show_default=False)
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail, after writing, unless all have converged.")] = False,
    value_range: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="The values shown as black and white in what the model makes, where it does not declare them: 0,1. A "
            "HIGH above 255 beside --from is for pictures of more than 8 bits: 0,4095 for 12 bits. Repeatable.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything drawn: --pairs, --restarts, inversion.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, mps; where the model is by default.", show_default=False)
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; PyTorch's choice by default.", show_default=False)
    ] = None,
    search: Annotated[
        bool | None,
        typer.Option(
            "--invert/--no-invert",
            help="Search for the pictures' latents; by default where there is no encoder.",
            show_default=False,
            rich_help_panel="Pictures",
        ),
    ] = None,
    starts: Annotated[
        int | None, typer.Option(help="Starts of the search for each; 8 by default.", rich_help_panel="Pictures")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Most steps of the search; 300 by default.", rich_help_panel="Pictures")
    ] = None,
    penalty: Annotated[
        float | None,
        typer.Option(help="What unlikely latents cost the search; 0.005 by default.", rich_help_panel="Pictures"),
    ] = None,
    crop: Annotated[
        float | None,
        typer.Option(
            help="Width of the centre that is used, in (0, 1]; by default as in training for such pictures, else 1.",
            rich_help_panel="Pictures",
        ),
    ] = None,
) -> None:
    """Interpolate between latents of any model: of seeds, of the prior, from a file, or of pictures.

    Solves all pairs in one batch, compares them with the straight line and slerp, and writes what the demo writes into
    --out. Pictures are resized and cropped to what the model makes, and encoded or inverted; how near their latents
    come is printed, written, and shown in endpoints.png.

    Ctrl-C while it searches or solves stops that and goes on with the best so far; a second one leaves at once,
    with the paths where they are solved, and with nothing before that.
    """
    require("latentpath interpolate", "viz", "matplotlib")
    ends = Ends(tuple(seeds or ()), pairs, latents, tuple(from_ or ()), tuple(to or ()))
    made, stored = _value_ranges(tuple(value_range or ()), pictures=bool(from_ or to))
    images = {"search": search, "starts": starts, "steps": steps, "penalty": penalty, "crop": crop}
    settings = Settings(
        model,
        _given({"prior": prior, "latent_dim": latent_dim}),
        segments,
        alpha,
        tol,
        seed,
        _given(
            {
                "solver": solver.value,
                "embed": "latent" if embed is Space.latent else None,
                "restarts": _restarts(restarts),
                "max_evaluations": max_evaluations,
                "max_points": max_points,
                "strict": strict or None,
            }
        ),
        _given({**images, "picture_range": stored}),
        threads,
        device,
        pairs,
        made,
    )
    if settings.inverting and not ends.starts:
        names = ", ".join(f"--{'invert' if name == 'search' else name}" for name in settings.inverting)
        raise InputError(f"{names} goes with pictures: give --from and --to, or leave it out")
    from .console import console

    run(settings, ends, out, console(), console(stderr=True))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _value_ranges(texts: tuple[str, ...], *, pictures: bool) -> tuple[ValueRange | None, ValueRange | None]:
    """The ranges of what the model makes and of the pictures' stored values, from texts such as "0,1".

    Of pictures only those of more than 8 bits have a range to ask for, and no usual range of a model goes above 255.
    """
    from ..value_range import checked_range

    made: list[ValueRange] = []
    stored: list[ValueRange] = []
    for text in texts:
        try:
            ends = [float(end) for end in text.split(",")]
        except ValueError:
            raise InputError(f"--value-range takes two numbers LOW,HIGH such as 0,1; got {text!r}.") from None
        found = checked_range(ends, "--value-range")
        (stored if pictures and found[1] > _BYTE else made).append(found)
    if max(len(made), len(stored)) > 1:
        raise InputError(f"--value-range was given twice for one thing: {', '.join(texts)}. Give each once.")
    return next(iter(made), None), next(iter(stored), None)


def _restarts(text: str | None) -> int | str | None:
    if text is None or text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise InputError(f'--restarts takes a whole number or "auto", got {text!r}') from None


def run(settings: Settings, ends: Ends, out: Path, console: Console, progress: Console) -> Found:
    """The whole command: find the endpoints, solve, print, write into ``out``.

    Raises:
        LatentPathError: settings, a model, a file or a folder that will not do, and nothing is written; or a strict
            run that has not converged, and everything is.
        WriteError: some files could not be written; the solved paths and all others are.
    """
    from ..index import RealismIndex
    from ..models import load
    from .comparison import ENDPOINTS, conclude, heading, list_files, no_generator, solve, staged

    use_threads(settings.threads)
    model = _moved(load(settings.model, **settings.loading), settings.device)
    if model.prior is None:
        raise no_generator(model)
    RealismIndex(model.prior, alpha=settings.alpha)  # refuses an alpha before anything is read or inverted
    model = _ranged(model, settings.value_range, progress)
    with staged(out) as folder:
        pairs = _endpoints(settings, ends, model, progress)
        console.print(
            heading(model.name, len(pairs.start), settings.segments, settings.alpha, settings.tol, settings.seed)
        )
        found = solve(
            model,
            pairs.start,
            pairs.end,
            progress,
            segments=settings.segments,
            alpha=settings.alpha,
            tol=settings.tol,
            seed=settings.seed,
            **settings.solving,
        )
        pictures = {}
        if pairs.images is not None:
            from .image_endpoints import sheet

            pictures = {
                name: lambda file: sheet(pairs, model.value_range).save(file, optimize=True) for name in ENDPOINTS
            }
        conclude(found, model, asdict(settings), folder, console, progress, pictures, endpoints=pairs.about)
        written = [file.name for file in folder.iterdir()]
    list_files(out, console, written)
    if found.failed is not None:
        raise found.failed
    return found


def _ranged(model: Model, value_range: ValueRange | None, progress: Console) -> Model:
    """The model with the range that was given; says so where there is none and samples decide."""
    from dataclasses import replace

    if value_range is not None:
        return replace(model, card={**model.card, "value_range": list(value_range)})
    if model.range_doubt:
        progress.print(f"{model.range_doubt}. Another: --value-range LOW,HIGH", soft_wrap=True, markup=False)
    return model


def _moved(model: Model, device: str | None) -> Model:
    """The model on another device."""
    from dataclasses import replace

    import torch

    if device is None:
        return model
    parts = {name: getattr(model, name) for name in ("generator", "encoder", "discriminator")}
    foreign = [name for name, part in parts.items() if part is not None and not isinstance(part, torch.nn.Module)]
    if foreign:
        raise InputError(
            f"--device moves modules, and the {foreign[0]} of {model.name!r} is a {type(parts[foreign[0]]).__name__}: "
            "make the model on its device, and leave --device out"
        )
    try:
        return replace(model, **{name: part.to(torch.device(device)) for name, part in parts.items() if part})
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {device} cannot be used here ({reason}): leave it out, or choose cpu") from error


def _endpoints(settings: Settings, ends: Ends, model: Model, progress: Console) -> Pairs:
    """The endpoints, as the generator takes them."""
    from dataclasses import replace

    from ..models.sampling import as_taken, draw_pairs
    from .endpoints import Pairs, from_file, from_seeds

    assert model.prior is not None
    if ends.starts or ends.ends:
        from .image_endpoints import from_images

        more = {"seed": settings.seed, "max_points": settings.solving.get("max_points"), **settings.inverting}
        return from_images(model, ends.starts, ends.ends, progress, alpha=settings.alpha, **more)
    if ends.seeds:
        pairs = from_seeds(model.prior, ends.seeds)
    elif ends.latents is not None:
        pairs = from_file(ends.latents, model.prior.event_shape[0])
    else:
        assert ends.pairs is not None
        pairs = Pairs(*draw_pairs(model.prior, ends.pairs, settings.seed), about={"from": "prior"})
    return replace(pairs, start=as_taken(model, pairs.start), end=as_taken(model, pairs.end))
