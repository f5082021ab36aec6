"""``latentpath train package``: from a run to a model, with averaged weights, a card and a sample sheet."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor
from torch.distributions import Distribution

from .. import __version__
from .._progress import Stage, silent
from ..errors import InputError
from ..models.cards import make_card
from ..models.files import as_stored
from ..models.folders import as_model, read_model, write_model
from ..models.model import Model
from ..models.networks.base import Pretrained
from ..models.prior_names import named_prior, stored_prior
from ..models.sampling import draw
from ..training import averaged_dcgan, averaged_wae, check_images, digest, read_config
from ..training.config import ClassifierConfig, DCGANConfig, RunConfig, chosen
from ..viz.grid import contact_sheet
from .console import one_line_errors, stages
from .evaluate import measured
from .options import HoldOut, Source, Threads, epilog, images_of, test_images, use_threads
from .output import check_writable

_SHEET, _COLUMNS = 160, 16

app = typer.Typer()


@app.command(
    epilog=epilog("latentpath train package runs/mnist --name mnist-dcgan-semicircle --out models --data ~/data/mnist")
)
@one_line_errors
def package(
    run: Annotated[Path, typer.Argument(help="Folder of a run of train dcgan, train wae or train classifier.")],
    name: Annotated[str, typer.Option(help="What the model will be called.")],
    out: Annotated[Path, typer.Option(help="Folder that gets a folder of that name.")] = Path("models"),
    data: Source = None,
    hold_out: HoldOut = 0,
    prior: Annotated[str | None, typer.Option(help="Of a run with a prior of your own: module:attr again.")] = None,
    samples: Annotated[int, typer.Option(min=100, help="How many samples the quality is measured on.")] = 10_000,
    threads: Threads = None,
) -> None:
    """Make a run into a model: half-precision weights, a card with measured quality, a sample sheet.

    The quality is that of the weights as they are stored. A generator can be packaged while its run is still going,
    from its last checkpoint.
    """
    check_name(name)
    check_writable(out / name, folder=True)
    use_threads(threads)
    if not (run / "state.safetensors").exists():
        model = read_model(run)
        assert isinstance(model.generator, Pretrained)
        write_model(out / name, model.generator, {**model.card, "name": name})
        model = read_model(out / name)
    else:
        config = read_config(run)
        stored = {"name": config.prior, "dim": config.latent_dim}
        latents = stored_prior(stored, run) if prior is None else named_prior(prior, config.latent_dim)
        images = images_of(data, config.size, config.channels, hold_out)
        test = test_images(data, images)
        with stages() as stage:

            def quality(found: Model) -> dict[str, Any]:
                return measured(found, images, test, samples=samples, seed=config.seed, stage=stage)

            model = package_run(
                run, name, out / name, images.pixels, latents, hold_out=hold_out, quality=quality, stage=stage
            )
    typer.echo(summary(model))


def check_name(name: str) -> None:
    """Refuses a name that cannot be that of a folder, by an `InputError`."""
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"a model's name becomes the name of a folder, got {name!r}")


def summary(model: Model) -> str:
    """A model's name and the numbers on its card, a line each."""
    lines = [f"{model.name}: {model.card['description']}"]
    for key, value in (model.card["quality"] or {}).items():
        shown = " ".join(map(str, value)) if isinstance(value, list) else value
        lines.append(f"  {key.replace('_', ' ')}: {shown}")
    return "\n".join(lines)


def kind_of(config: RunConfig | ClassifierConfig) -> str:
    """The command of ``latentpath train`` that makes a run of this configuration."""
    return type(config).__name__.removesuffix("Config").lower()


def command_of(config: RunConfig | ClassifierConfig, **others: Any) -> str:
    """The command that makes the same run again, wherever the data are."""
    values = {**{field.name: getattr(config, field.name) for field in chosen(type(config))}, **others}
    words = ["latentpath", "train", kind_of(config), "--data", "FOLDER"]
    for name, value in {**values, "threads": torch.get_num_threads()}.items():
        flag = f"--{name.replace('_', '-')}"
        words += [flag] if value is True else [] if value is False or value is None else [flag, str(value)]
    return " ".join(words)


def package_run(
    run: str | Path,  # the folder of a run of a DCGAN or a WAE
    name: str,
    folder: str | Path,  # the one that becomes the model's
    images: Tensor,  # that it was trained on
    prior: Distribution,  # that it was trained with
    *,
    hold_out: int = 0,  # how many were kept out of training
    quality: Any = None,
    dtype: torch.dtype = torch.float16,  # of the stored parameters
    stage: Stage = silent,  # told what is being done
) -> Model:
    """Makes a model of the last checkpoint in ``run``, finished or not, and reads it back."""
    check_name(name)
    config = read_config(run)
    check_images(run, digest(images))
    network: Pretrained
    if isinstance(config, DCGANConfig):
        network, step, seconds = averaged_dcgan(run, prior, stage)
    else:
        network, step, seconds = averaged_wae(run, images, stage)
    network.load_state_dict(as_stored(network, dtype))
    model = as_model(network, prior, name, {})
    others = {"hold_out": hold_out} if hold_out else {}
    card = make_card(
        name,
        f"{kind_of(config).upper()} for {config.data} at {config.size} x {config.size}, {config.latent_dim} latent "
        f"dimensions, {config.prior} prior",
        asdict(config),
        command=command_of(config, **others),
        version=__version__,
        steps=step,
        seconds=seconds,
        images=len(images),
        value_range=model.value_range,
        prior={"name": config.prior, "dim": config.latent_dim},
        quality=None if quality is None else quality(model),
    )
    stage("writing the model", 0, 1)
    with torch.no_grad():
        drawn = draw(prior, _SHEET, torch.Generator().manual_seed(config.seed))
        sheet = contact_sheet(
            model.generator(drawn), columns=_COLUMNS, zoom=2 if config.size < 64 else 1, value_range=model.value_range
        )
    write_model(folder, network, card, sheet, dtype=dtype)
    return read_model(folder, prior)
