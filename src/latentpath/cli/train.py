"""``latentpath train dcgan`` and ``train wae``: the generators, whose options are the fields of their configuration."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from .._words import counted
from ..errors import require
from ..models.prior_names import named_prior
from ..training import (
    DCGANConfig,
    Options,
    RunConfig,
    WAEConfig,
    check_options,
    fit_dcgan,
    fit_wae,
    read_checkpoint,
)
from .console import one_line_errors, stages, training
from .options import CONFIGURATION, HoldOut, Source, Threads, configured, epilog, images_of, use_threads
from .output import check_writable
from .package import kind_of, package_run

Out = Annotated[Path, typer.Option(help="Folder of the run: checkpoint, log, samples, TensorBoard, result.")]
Minutes = Annotated[float | None, typer.Option(min=0, help="Stop after so long, with a checkpoint.")]
Every = Annotated[int, typer.Option(min=1, help="Steps between two checkpoints.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")]
Cpu = Annotated[bool, typer.Option("--cpu", help="Stay on the CPU even where there is a GPU.")]

_SEVERAL = "Several processes: [bold]torchrun --nproc-per-node 2 -m latentpath train ...[/bold]"

app = typer.Typer()


@app.command(
    epilog=epilog(
        "latentpath train dcgan --data ~/data/mnist --prior semicircle --out runs/mnist --precision bf16",
        "latentpath train dcgan --data ~/data/img_align_celeba.zip --size 64 --channels 3 --width 32 --flip --augment "
        "--out runs/faces",
        last=f"Go on after an interruption: the same command with [bold]--resume[/bold]\n\n{_SEVERAL}",
    )
)
@one_line_errors
@configured(DCGANConfig)
def dcgan(
    config: DCGANConfig,
    data: Source = None,
    out: Out = Path("runs/dcgan"),
    hold_out: HoldOut = 0,
    max_minutes: Minutes = None,
    checkpoint_every: Every = 500,
    resume: Resume = False,
    threads: Threads = None,
    cpu: Cpu = False,
) -> None:
    """Train a DCGAN.

    Ctrl-C stops between two steps and loses nothing; go on with --resume. The folder gets samples.png and TensorBoard's
    files as the run goes, and at the end a folder model/ that every other command takes as --model.
    """
    options = Options(resume=resume, max_minutes=max_minutes, checkpoint_every=checkpoint_every, cpu=cpu)
    _train(config, data, out, hold_out, threads, options)


@app.command(
    epilog=epilog(
        "latentpath train wae --data ~/data/img_align_celeba.zip --flip --out runs/wae --precision bf16",
        "latentpath train wae --data ~/data/mnist --size 28 --channels 1 --latent-dim 8 --divergence gan --weight 0.1",
        last=_SEVERAL,
    )
)
@one_line_errors
@configured(WAEConfig)
def wae(
    config: WAEConfig,
    data: Source = None,
    out: Out = Path("runs/wae"),
    hold_out: HoldOut = 0,
    weight: Annotated[
        float | None,
        typer.Option(
            min=0, help="Of the divergence: 1 by default for mmd, 0.1 for gan.", rich_help_panel=CONFIGURATION
        ),
    ] = None,
    max_minutes: Minutes = None,
    checkpoint_every: Every = 500,
    resume: Resume = False,
    threads: Threads = None,
    cpu: Cpu = False,
) -> None:
    """Train a Wasserstein auto-encoder.

    Ctrl-C stops between two steps and loses nothing; go on with --resume. The folder gets samples.png (images over
    their reconstructions, then samples) and TensorBoard's files as the run goes, and at the end a folder model/.
    """
    options = Options(resume=resume, max_minutes=max_minutes, checkpoint_every=checkpoint_every, cpu=cpu)
    default = 1.0 if config.divergence == "mmd" else 0.1
    _train(replace(config, weight=default if weight is None else weight), data, out, hold_out, threads, options)


def _train(
    config: RunConfig, data: str | None, out: Path, hold_out: int, threads: int | None, options: Options
) -> None:
    """Trains, and makes a model of the run; whatever can be refused is, before the images are read."""
    require("training", "train")
    use_threads(threads)
    prior = named_prior(config.prior, config.latent_dim)
    check_options(options)
    check_writable(out, folder=True)
    images = images_of(data, config.size, config.channels, hold_out)
    config = replace(config, data=images.name)
    done = read_checkpoint(out)[1] if options["resume"] and (out / "state.safetensors").exists() else 0
    try:
        with training(kind_of(config).upper(), config.steps, done) as progress:
            options["progress"] = progress
            if isinstance(config, DCGANConfig):
                fit_dcgan(config, images.pixels, prior, out, **options)
            elif isinstance(config, WAEConfig):
                fit_wae(config, images.pixels, prior, out, **options)
        from accelerate import PartialState

        if not PartialState().is_main_process:
            return
        name, folder = out.resolve().name, out / "model"
        with stages() as stage:
            model = package_run(
                out, name, folder, images.pixels, prior, hold_out=hold_out, dtype=torch.float32, stage=stage
            )
    except KeyboardInterrupt as error:
        error.add_note(f"Go on from the checkpoint in {out} with --resume.")
        raise
    step = model.card["steps"]
    typer.echo(f"{counted(step, 'step')} in {model.card['minutes']:.1f} minutes: {folder}")
    if step < config.steps:
        typer.echo(f"The run is not finished ({step} of {config.steps} steps): go on with --resume.")
