"""``latentpath interpolate``: paths between latents of any model, from seeds, a file, or pictures."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
import typer
from rich.console import Console

from ..errors import InputError, require
from ..models import Model
from ..models.sampling import as_taken, draw_pairs
from ..value_range import ValueRange, checked_range
from .console import console, one_line_errors
from .endpoints import Ends, Pairs, from_file, from_seeds
from .image_endpoints import from_images, sheet
from .methods import Method, MethodName, Space, choose
from .options import LatentDim, Prior, Threads, epilog, given, use_threads
from .output import ENDPOINTS, list_files, save_paths, staged
from .settings import Settings

if TYPE_CHECKING:
    from .comparison import Found

_BYTE = 255

app = typer.Typer()


Solver = Literal["multilevel", "lbfgs", "adam", "gradient_descent"]
ModelName = Annotated[
    str, typer.Option(help="A shipped model ([bold]latentpath models[/bold]), or what latentpath.load takes.")
]
Seeds = Annotated[list[str] | None, typer.Option(metavar="A,B", help="Between the draws of two seeds; repeatable.")]
DrawnPairs = Annotated[int | None, typer.Option(help="Number of pairs, drawn by --seed as the demo does.")]
Latents = Annotated[
    Path | None, typer.Option(help="File with latents (B, 2, D), or start and end: .npy, .npz, .safetensors.")
]
From = Annotated[
    list[Path] | None, typer.Option("--from", help="A picture to start at; repeatable, with as many --to.")
]
To = Annotated[list[Path] | None, typer.Option("--to", help="A picture to end at.")]
Out = Annotated[Path, typer.Option(help="Folder for the pictures, the paths and the report.")]
Segments = Annotated[int, typer.Option(help="Segments of every curve.")]
MethodOption = Annotated[
    MethodName | None,
    typer.Option(help="The model's recipe, or the paper's method; by default the recipe where the model has one."),
]
Mu = Annotated[
    float | None,
    typer.Option(help="Direct 0 ... 1 realistic: the weight of the latents in lengths, in place of the recipe's."),
]
Alpha = Annotated[
    float | None,
    typer.Option(help="Scale of the realism index, in (0, 1]; by default the recipe's, or 0.9."),
]
Polish = Annotated[bool, typer.Option("--polish", help="Solve on by the true index where the recipe's is a surrogate.")]
Compare = Annotated[bool, typer.Option(help="Solve by the paper's method too, and show it beside the path.")]
Tol = Annotated[float, typer.Option(help="Gain in cost that is not worth more work.")]
SolverName = Annotated[Solver, typer.Option(help="How the energy is lowered.")]
Embed = Annotated[
    Space | None,
    typer.Option(help="Space in which lengths are measured, in place of the method's; --mu mixes both."),
]
Starts = Annotated[str | None, typer.Option(metavar="N|auto", help="Starts to search lower minima from.")]
MaxEvaluations = Annotated[float | None, typer.Option(help="Path evaluations that each path may spend.")]
MaxPoints = Annotated[int | None, typer.Option(help="Most points the generator gets in one call.")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail, after writing, unless all paths have converged.")]
Ranges = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="The values shown as black and white in what the model makes, where it does not declare them: 0,1. A "
        "HIGH above 255 beside --from is for pictures of more than 8 bits: 0,4095 for 12 bits. Repeatable.",
    ),
]
Seed = Annotated[int, typer.Option(help="Of everything drawn: --pairs, --restarts, inversion.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps; where the model is by default.")]

_PICTURES = "Pictures"
Invert = Annotated[
    bool | None,
    typer.Option(
        "--invert/--no-invert",
        help="Search for the pictures' latents; by default where there is no encoder.",
        rich_help_panel=_PICTURES,
    ),
]
SearchStarts = Annotated[
    int | None, typer.Option(help="Starts of the search for each; 8 by default.", rich_help_panel=_PICTURES)
]
Steps = Annotated[int | None, typer.Option(help="Most steps of the search; 300 by default.", rich_help_panel=_PICTURES)]
Penalty = Annotated[
    float | None,
    typer.Option(help="What unlikely latents cost the search; 0.005 by default.", rich_help_panel=_PICTURES),
]
Crop = Annotated[
    float | None,
    typer.Option(
        help="Width of the centre that is used, in (0, 1]; by default as in training for such pictures, else 1.",
        rich_help_panel=_PICTURES,
    ),
]


@app.command(
    epilog=epilog(
        "latentpath interpolate --pairs 4 --seed 7   drawn, as in the demo",
        "latentpath interpolate --seeds 1,2 --seeds 3,4 --restarts auto   two pairs, searched further",
        "latentpath interpolate --latents ends.npy --segments 100 --tol 0.0001   from a file",
        "latentpath interpolate --from a.png --to b.png --out out/mine   between pictures",
    )
)
@one_line_errors
def interpolate(
    model: ModelName = "mnist-dcgan-semicircle",
    prior: Prior = None,
    latent_dim: LatentDim = None,
    seeds: Seeds = None,
    pairs: DrawnPairs = None,
    latents: Latents = None,
    from_: From = None,
    to: To = None,
    out: Out = Path("out/interpolate"),
    segments: Segments = 50,
    method: MethodOption = None,
    mu: Mu = None,
    alpha: Alpha = None,
    embed: Embed = None,
    polish: Polish = False,
    compare: Compare = False,
    tol: Tol = 1e-3,
    solver: SolverName = "multilevel",
    restarts: Starts = None,
    max_evaluations: MaxEvaluations = None,
    max_points: MaxPoints = None,
    strict: Strict = False,
    value_range: Ranges = None,
    seed: Seed = 0,
    device: Device = None,
    threads: Threads = None,
    search: Invert = None,
    starts: SearchStarts = None,
    steps: Steps = None,
    penalty: Penalty = None,
    crop: Crop = None,
) -> None:
    """Interpolate between latents of any model: of seeds, of the prior, from a file, or of pictures.

    Solves all pairs in one batch by the model's recommended recipe or the paper's method, compares the paths with the
    straight line and slerp, and writes what the demo writes into --out. Pictures are resized and cropped to what the
    model makes, and encoded or inverted; how near their latents come is printed, written, and shown in endpoints.png.

    Ctrl-C while it searches or solves stops that and goes on with the best so far; a second one leaves at once,
    with the paths where they are solved, and with nothing before that.
    """
    require("latentpath interpolate", "viz", "matplotlib")
    ends = Ends(tuple(seeds or ()), pairs, latents, tuple(from_ or ()), tuple(to or ()))
    made, stored = _value_ranges(tuple(value_range or ()), pictures=bool(from_ or to))
    loading = given(prior=prior, latent_dim=latent_dim)
    limits = given(max_evaluations=max_evaluations, max_points=max_points, strict=strict or None)
    solving = {"solver": solver, **given(restarts=_restarts(restarts)), **limits}
    images = given(search=search, starts=starts, steps=steps, penalty=penalty, crop=crop, picture_range=stored)
    chosen: dict[str, Any] = {"method": method, "mu": mu, "embed": embed, "polish": polish, "compare": compare}
    usual = (model, loading, segments, alpha, tol, seed, solving, images, threads, device, pairs, made)
    settings = Settings(*usual, **chosen)
    if images and not ends.starts:
        names = ", ".join(f"--{'invert' if name == 'search' else name}" for name in images)
        raise InputError(f"{names} goes with pictures: give --from and --to, or leave it out")
    run(settings, ends, out, console(), console(stderr=True))


def _value_ranges(texts: tuple[str, ...], *, pictures: bool) -> tuple[ValueRange | None, ValueRange | None]:
    """The ranges of what the model makes and of the pictures' stored values, from texts such as "0,1".

    Of pictures only those of more than 8 bits have a range to ask for, and no usual range of a model goes above 255.
    """
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
    """Finds the endpoints, solves, prints, and writes into ``out``."""
    from ..models import load
    from .comparison import conclude, no_generator, solve, solve_papers
    from .comparison_table import heading

    use_threads(settings.threads)
    model = _moved(load(settings.model, **settings.loading), settings.device)
    if model.prior is None:
        raise no_generator(model)
    # refuses an alpha, a mu or a method before anything is read or inverted
    chosen = {name: getattr(settings, name) for name in ("method", "alpha", "mu", "embed", "polish")}
    method = choose(model, **chosen)
    model = _ranged(model, settings.value_range, progress)
    with staged(out) as folder:
        pairs = _endpoints(settings, ends, model, method, progress)
        shared: dict[str, Any] = {name: getattr(settings, name) for name in ("segments", "tol", "seed")}
        words = heading(model.name, len(pairs.start), method=method, compare=settings.compare, **shared)
        console.print(words, soft_wrap=True)
        options = {**shared, **settings.solving, **({"polish": True} if settings.polish else {})}
        found = solve(model, pairs.start, pairs.end, method, progress, **options)
        failed = save_paths(found.path, folder)
        if settings.compare:
            found = solve_papers(found, model, progress, **options)
        drawn = ENDPOINTS if pairs.images is not None else ()
        pictures = {name: lambda file: sheet(pairs, model.value_range).save(file, optimize=True) for name in drawn}
        about = asdict(settings)
        conclude(found, model, about, folder, console, progress, failed, pictures, endpoints=pairs.about)
        written = [file.name for file in folder.iterdir()]
    list_files(out, console, written)
    if found.failed is not None:
        raise found.failed
    return found


def _ranged(model: Model, value_range: ValueRange | None, progress: Console) -> Model:
    """The model with the range that was given; says so where there is none and samples decide."""
    if value_range is not None:
        return replace(model, card={**model.card, "value_range": list(value_range)})
    if model.range_doubt:
        progress.print(f"{model.range_doubt}. Another: --value-range LOW,HIGH", soft_wrap=True, markup=False)
    return model


def _moved(model: Model, device: str | None) -> Model:
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


def _endpoints(settings: Settings, ends: Ends, model: Model, method: Method, progress: Console) -> Pairs:
    assert model.prior is not None
    if ends.starts or ends.ends:
        more = {"seed": settings.seed, "max_points": settings.solving.get("max_points"), **settings.inverting}
        return from_images(model, ends.starts, ends.ends, progress, alpha=method.index.alpha, **more)
    if ends.seeds:
        pairs = from_seeds(model.prior, ends.seeds)
    elif ends.latents is not None:
        pairs = from_file(ends.latents, model.prior.event_shape[0])
    else:
        assert ends.pairs is not None
        pairs = Pairs(*draw_pairs(model.prior, ends.pairs, settings.seed), about={"from": "prior"})
    return replace(pairs, start=as_taken(model, pairs.start), end=as_taken(model, pairs.end))
