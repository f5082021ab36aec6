"""``latentpath models``: the models that ship with the package."""

from typing import Annotated, Any

import typer

from .console import console, one_line_errors
from .options import epilog

app = typer.Typer()


@app.command(epilog=epilog("latentpath models", "latentpath models --markdown"))
@one_line_errors
def models(
    markdown: Annotated[bool, typer.Option("--markdown", help="The numbers as a Markdown table.")] = False,
) -> None:
    """List the models that ship with the package, with the quality on their cards."""
    from rich import box
    from rich.table import Table

    from ..models import available, load
    from ..models.cards import table_of
    from ..models.files import WEIGHTS_FILE
    from ..models.registry import WEIGHTS

    if markdown:
        typer.echo(table_of(load(name).card for name in available()))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("name", no_wrap=True, style="bold")
    table.add_column("D", justify="right")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("what it is, and how good")
    for name in available():
        card = load(name).card
        size = (WEIGHTS / name / WEIGHTS_FILE).stat().st_size
        dim = str(card["prior"]["dim"]) if card["prior"] else ""
        lines = [card["description"], *_quality(card.get("quality") or {})]
        table.add_row(name, dim, f"{size / 1000:.0f} kB", "\n".join(lines))
    console().print(table)


def _quality(found: dict[str, Any]) -> list[str]:
    if "accuracy" in found:
        return [f"{found['accuracy']:.2%} of {found['images']:,} test images right"]
    lines = []
    if "mean_confidence" in found:
        lines += [
            f"judge's confidence {found['mean_confidence']:.3f} (real test images {found['test_mean_confidence']:.3f})",
            f"rarest digit {found['least_class_share']:.1%} of {found['samples']:,} samples",
        ]
    if "frechet" in found:
        lines.append(f"Fréchet distance {found['frechet']:.3g} (real images {found['frechet_floor']:.3g})")
    if "precision" in found:
        lines.append(f"precision {found['precision']:.2f}, recall {found['recall']:.2f}")
    if "reconstruction_error" in found:
        lines.append(f"reconstruction error {found['reconstruction_error']:.3f}, pixels in [-1, 1]")
    return lines
