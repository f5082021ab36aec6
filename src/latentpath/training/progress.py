"""Progress of a run: mean losses for the log and the caller, scalars and samples for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

Progress = Callable[[int, dict[str, float]], None]
"""Called as ``progress(step, numbers)`` every 100 steps, every 5 seconds, and after the last step.

It may raise `KeyboardInterrupt` to end the run.
"""


class Means:
    """Mean losses and seconds per step since the last `clear`."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Starts new means."""
        self._since, self._steps = time.monotonic(), list[Mapping[str, float]]()

    def add(self, losses: Mapping[str, float]) -> None:
        """Adds the losses of a step."""
        self._steps.append(losses)

    def numbers(self) -> dict[str, float]:
        """Returns the means."""
        count, losses = len(self._steps), self._steps[0]
        means = {name: sum(step[name] for step in self._steps) / count for name in losses}
        return {**means, "seconds_per_step": (time.monotonic() - self._since) / count}


class Board:
    """Scalars and samples for TensorBoard; writes nothing where ``folder`` is None."""

    def __init__(self, folder: Path | None, step: int) -> None:
        self._writer: Any = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder / "tensorboard", purge_step=step + 1)

    def numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        """Writes scalars."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, sheet: Image) -> None:
        """Writes samples."""
        import numpy as np

        self._writer.add_image("samples", np.asarray(sheet.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.close()
