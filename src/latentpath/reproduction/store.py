"""The folder of a reproduction: its plan, and the results of its jobs, each written whole when it is done.

A job whose file is there is not done again, so a run that was interrupted goes on, and reaches the same numbers: every
job depends on the plan alone, or on it and on how many real images there are. A folder that holds another plan is
refused; one that was made without real images goes on with them, and does anew what depends on them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from .._io import to_json, write_file, write_json
from ..errors import DataError, InputError

__all__ = ["Store"]

_IMAGES = "real images"


class Store:
    """The results in a folder.

    Nothing is written before `begin`.

    Args:
        out: the folder of the reproduction; made if it is not there.
        facts: what decides every number; kept in ``plan.json``, with the number of real images.

    Raises:
        InputError: ``out`` is a file, or holds a run of another plan, or something else.
        DataError: its plan cannot be read.
    """

    def __init__(self, out: Path, facts: Mapping[str, Any]) -> None:
        self.out, self.work, self._plan = out, out / "work", out / "plan.json"
        for folder in (out, out / "figures", self.work):
            if folder.exists() and not folder.is_dir():
                raise InputError(f"--out must name a folder, and {folder} is a file: choose another one")
        self._facts = json.loads(json.dumps(facts))
        self._images: dict[str, int | None] = {}
        if self._plan.is_file():
            try:
                found = json.loads(self._plan.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise DataError(f"{self._plan} cannot be read ({error}): choose another folder (--out)") from error
            rest = {key: found[key] for key in found if key != _IMAGES} if isinstance(found, dict) else found
            if rest != self._facts:
                raise InputError(
                    f"{out} holds another run ({_difference(rest, self._facts)}): choose another folder (--out)"
                )
            self._images = dict(found.get(_IMAGES) or {})
        elif out.is_dir() and any(not file.name.startswith(".") for file in out.iterdir()):
            raise InputError(f"{out} is not empty, and holds no reproduction: choose another folder (--out)")

    def begin(self, images: Mapping[str, int | None], dependent: Mapping[str, Sequence[str]]) -> list[str]:
        """Write the plan, and forget what was done without images that are here now.

        Args:
            images: how many there are, by data set, None where there are none; only of those that are needed.
            dependent: patterns of the jobs that depend on a data set.

        Returns:
            The data sets that have come since.

        Raises:
            InputError: the folder's run had other images, or had some where there are none now.
            DataError: nothing can be written.
        """
        come = []
        for name, count in images.items():
            before = self._images.get(name, count)
            if before is not None and count is None:
                raise InputError(
                    f"the run in {self.out} had {before:,} images of {name}: pass their folder (--data), or choose "
                    "another folder (--out)"
                )
            if before is not None and before != count:
                raise InputError(
                    f"{self.out} holds another run (images of {name}: there {before:,}, here {count:,}): choose "
                    "another folder (--out)"
                )
            if before != count:
                come.append(name)
                for file in (file for pattern in dependent[name] for file in self.work.glob(pattern)):
                    file.unlink()
        after = self._images | dict(images)
        if after != self._images or not self._plan.is_file():
            wanted = {**self._facts, _IMAGES: after}
            write_json(self._plan, wanted)
            self._images = after
        return come

    def tensors(
        self, name: str, compute: Callable[[], Mapping[str, Tensor]], keys: Collection[str], rows: int
    ) -> dict[str, Tensor]:
        """The tensors of a job, computed unless they are there.

        Args:
            name: of the job.
            compute: them.
            keys: their names.
            rows: the first dimension of each.

        Raises:
            DataError: its file is damaged, or cannot be written.
        """
        file = self.work / f"{name}.safetensors"
        if not file.is_file():
            made = {key: value.detach().cpu().contiguous().clone() for key, value in compute().items()}
            write_file(file, save_tensors(made))
        try:
            found = load_tensors(file.read_bytes())
        except (OSError, SafetensorError) as error:
            raise DataError(f"{file} is damaged ({error}): remove it, and run the same command again") from error
        lacking = sorted(set(keys) - found.keys())
        short = [key for key in keys if key in found and found[key].shape[:1] != (rows,)]
        if lacking or short:
            what = f"{lacking[0]!r} is not in it" if lacking else f"{min(short)!r} is not of {rows} pairs"
            raise DataError(f"{file} is damaged ({what}): remove it, and run the same command again")
        return found

    def facts(
        self, name: str, compute: Callable[[], Mapping[str, Any]], whole: Callable[[Any], bool]
    ) -> dict[str, Any]:
        """The facts of a job, computed unless they are there and ``whole``.

        Raises:
            DataError: its file cannot be read or written.
        """
        file = self.work / f"{name}.json"
        try:
            found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error}): remove it, and run the same command again") from error
        except ValueError:
            found = None
        if found is None or not whole(found):
            text = to_json(dict(compute()), indent=1) + "\n"
            write_file(file, text)
            found = json.loads(text)
        facts: dict[str, Any] = found
        return facts


def _difference(found: Any, wanted: Mapping[str, Any]) -> str:
    """What differs between two plans, in words."""
    if not isinstance(found, dict):
        return "its plan is none"
    changed = []
    for key in sorted({*found, *wanted}):
        there, here = found.get(key), wanted.get(key)
        if isinstance(there, dict) and isinstance(here, dict):
            both = sorted({*there, *here})
            changed += [f"{k}: there {there.get(k)}, here {here.get(k)}" for k in both if there.get(k) != here.get(k)]
        elif there != here:
            changed.append(f"{key}: there {there}, here {here}")
    return "; ".join(changed[:3]) or "its plan differs"
