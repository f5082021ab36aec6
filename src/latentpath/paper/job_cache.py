"""The folder of a reproduction: its settings, and the results of its jobs, each written whole when it is done.

A job whose file exists is not computed again, so an interrupted run goes on and reaches the same numbers: every job
depends on the settings alone, or on them and on the number of real images. A folder with other settings is refused; a
folder that was made without real images goes on with them, and recomputes the jobs that depend on them.

The files are ``plan.json``, ``work/MODEL/JOB.safetensors`` for tensors and ``work/MODEL/JOB.json`` for facts.
"""

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

_IMAGES = "real images"  # the key of the numbers of images in ``plan.json``


class JobCache:
    """The results in a folder; nothing is written before `begin`."""

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        self.out, self.work, self._file = out, out / "work", out / "plan.json"
        for folder in (out, out / "figures", self.work):
            if folder.exists() and not folder.is_dir():
                raise InputError(f"--out must name a folder, and {folder} is a file: choose another one")
        self._settings = json.loads(json.dumps(settings))
        self._images: dict[str, int | None] = {}
        if self._file.is_file():
            try:
                found = json.loads(self._file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise DataError(f"{self._file} cannot be read ({error}): choose another folder (--out)") from error
            rest = {key: found[key] for key in found if key != _IMAGES} if isinstance(found, dict) else found
            if rest != self._settings:
                raise InputError(
                    f"{out} holds another run ({_difference(rest, self._settings)}): choose another folder (--out)"
                )
            self._images = dict(found.get(_IMAGES) or {})
        elif out.is_dir() and any(not file.name.startswith(".") for file in out.iterdir()):
            raise InputError(f"{out} is not empty, and holds no reproduction: choose another folder (--out)")

    def begin(self, images: Mapping[str, int | None], dependent: Mapping[str, Sequence[str]]) -> list[str]:
        """Writes the settings, and removes the results that were computed without images that are available now."""
        new = []
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
                new.append(name)
                for file in (file for pattern in dependent[name] for file in self.work.glob(pattern)):
                    file.unlink()
        after = self._images | dict(images)
        if after != self._images or not self._file.is_file():
            write_json(self._file, {**self._settings, _IMAGES: after})
            self._images = after
        return new

    def tensors(
        self, name: str, compute: Callable[[], Mapping[str, Tensor]], keys: Collection[str], rows: int
    ) -> dict[str, Tensor]:
        """Returns the tensors of a job, from its file, or computed and written."""
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
        self, name: str, compute: Callable[[], Mapping[str, Any]], is_complete: Callable[[Any], bool]
    ) -> dict[str, Any]:
        """Returns the facts of a job, from its file where they are complete, or computed and written."""
        file = self.work / f"{name}.json"
        try:
            found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error}): remove it, and run the same command again") from error
        except ValueError:
            found = None
        if found is None or not is_complete(found):
            text = to_json(dict(compute()), indent=1) + "\n"
            write_file(file, text)
            found = json.loads(text)
        facts: dict[str, Any] = found
        return facts


def _difference(found: Any, wanted: Mapping[str, Any]) -> str:
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
