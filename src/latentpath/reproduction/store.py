"""The folder of a reproduction: its plan, and the results of its jobs, each written whole when it is done.

A job whose file is there is not done again, so a run that was interrupted goes on, and reaches the same numbers: every
job depends on the plan alone. A folder that holds another plan is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ..errors import DataError, InputError
from ..evaluate import finite
from ..models.pretrained import replace

__all__ = ["Store"]


class Store:
    """The results in a folder.

    Args:
        out: the folder of the reproduction; made if it is not there.
        facts: all that decides the numbers; kept in ``plan.json``.

    Raises:
        InputError: ``out`` is a file, or holds a run of another plan, or something else.
        DataError: its plan cannot be read, or nothing can be written.
    """

    def __init__(self, out: Path, facts: Mapping[str, Any]) -> None:
        self.out, self.work = out, out / "work"
        plan = out / "plan.json"
        if out.exists() and not out.is_dir():
            raise InputError(f"--out must name a folder, and {out} is a file: choose another one")
        wanted = json.loads(json.dumps(facts))
        if plan.is_file():
            try:
                found = json.loads(plan.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise DataError(f"{plan} cannot be read ({error}): choose another folder (--out)") from error
            if found != wanted:
                raise InputError(
                    f"{out} holds another run ({_difference(found, wanted)}): choose another folder (--out)"
                )
        elif out.is_dir() and any(out.iterdir()):
            raise InputError(f"{out} is not empty, and holds no reproduction: choose another folder (--out)")
        else:
            replace(plan, (json.dumps(wanted, indent=2, ensure_ascii=False) + "\n").encode())

    def has(self, name: str) -> bool:
        """Whether a job's result is there."""
        return self._file(name).is_file()

    def tensors(self, name: str, compute: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """The tensors of a job, computed unless they are there.

        Raises:
            DataError: its file is damaged, or cannot be written.
        """
        file = self._file(f"{name}.safetensors")
        if not file.is_file():
            made = {key: value.detach().cpu().contiguous().clone() for key, value in compute().items()}
            replace(file, save_tensors(made))
        try:
            return load_tensors(file.read_bytes())
        except (OSError, SafetensorError) as error:
            raise DataError(f"{file} is damaged ({error}): remove it, and run the same command again") from error

    def facts(self, name: str, compute: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The facts of a job, computed unless they are there.

        Raises:
            DataError: its file is damaged, or cannot be written.
        """
        file = self._file(f"{name}.json")
        if not file.is_file():
            replace(file, (json.dumps(finite(dict(compute())), indent=1, ensure_ascii=False) + "\n").encode())
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{file} is damaged ({error}): remove it, and run the same command again") from error
        return found

    def _file(self, name: str) -> Path:
        return self.work / name


def _difference(found: Any, wanted: Mapping[str, Any]) -> str:
    """What differs between two plans, in words."""
    if not isinstance(found, dict):
        return "its plan is none"
    changed = []
    for key in sorted({*found, *wanted}):
        there, here = found.get(key), wanted.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            changed += [f"{k}: there {there.get(k)}, here {here.get(k)}" for k in here if there.get(k) != here[k]]
        elif there != here:
            changed.append(f"{key}: there {there}, here {here}")
    return "; ".join(changed[:3]) or "its plan differs"
