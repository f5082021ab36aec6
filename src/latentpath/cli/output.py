"""The folder that a command writes its results into: all of them, or after a solve whatever could be written.

`staged` gives a place to write to, whose files move to the folder at the end. Before anything is solved a failure
leaves nothing behind. From `save_paths` on, which comes right after the solve, nothing that fails loses it: `attempt`
goes on after a file that cannot be written, and `staged` keeps what there is, even after an interrupt.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path as FilePath

from rich.console import Console

from ..errors import InputError, WriteError
from ..path import Path

PATHS, REPORT, RESCUED = "paths.safetensors", "report.json", "latents.npy"
PAPER_PATHS = "paper.safetensors"

FILES = {  # the files of a run
    "strips.png": "frames of the first pairs, row by row: straight line, slerp, the paper's where compared, path",
    "profiles.png": "the realism index and the data-space step along the curves, over all pairs",
    "plane.png": "the first pairs in the plane of their endpoints (equation 4)",
    "map.png": "all pairs over the prior's density in the first two latent coordinates",
    "morph.gif": "the first pairs as a film: straight line, the paper's where compared, path",
    PATHS: "the solved paths, for latentpath.Path.load",
    REPORT: "every number for every pair, the settings, versions and the seed",
}

ENDPOINTS = {"endpoints.png": "the images given, over what the model makes of them"}
"""The further file of a run whose endpoints were images."""

COMPARED = {PAPER_PATHS: "the paths of the paper's method between the same endpoints"}
"""The further file of a run that compares with the paper's method."""

_EVERY = {
    **ENDPOINTS,
    **{name: what for name, what in FILES.items() if name != REPORT},
    **COMPARED,
    REPORT: FILES[REPORT],
}


def check_writable(out: FilePath, *, folder: bool) -> None:
    """Refuses, before any work, a place that nothing can be written to."""
    if out.exists() and out.is_dir() is not folder:
        raise InputError(f"cannot write to {out}: it is a {'file' if folder else 'folder'}")
    parents = out.resolve().parents
    if not folder and not parents[0].is_dir():
        raise InputError(f"cannot write to {out}: the folder {parents[0]} does not exist")
    place = next(each for each in (out.resolve(), *parents) if each.exists())
    if not os.access(place, os.W_OK):
        raise InputError(f"cannot write to {out}: {place} is read-only")


def save_paths(path: Path, folder: FilePath) -> dict[str, Exception]:
    """Saves solved paths in ``folder``, or where that fails in a new temporary folder.

    Returns the error by the file's name. A path that cannot be saved whole is saved as an array of its latents
    ``(B, K+1, D)``.
    """
    import numpy as np

    latents = path.latents.detach().cpu()
    try:
        path.save(folder / PATHS)
        return {}
    except Exception as error:  # whatever it is, other ways are tried, and the caller raises it
        first = error
    rescue = FilePath(tempfile.mkdtemp(prefix="latentpath-"))
    ways: dict[str, Callable[[FilePath], object]] = {RESCUED: lambda file: np.save(file, latents), PATHS: path.save}
    for file in (folder / RESCUED, rescue / PATHS, rescue / RESCUED):
        if attempt([(file.name, ways[file.name])], file.parent):
            continue
        saved = file.name if file.parent == folder else str(file)
        first.add_note(f"the {'latents' if file.name == RESCUED else 'paths'} are in {saved}")
        break
    if not any(rescue.iterdir()):
        rescue.rmdir()
    return {PATHS: first}


def attempt(writers: Iterable[tuple[str, Callable[[FilePath], object]]], folder: FilePath) -> dict[str, Exception]:
    """Writes file after file, and goes on after a failure; returns the errors by the names of the files."""
    failed: dict[str, Exception] = {}
    for name, write in writers:
        try:
            write(folder / name)
        except Exception as error:  # an encoder may raise anything; nothing is hidden: the caller raises them
            failed[name] = error
            (folder / name).unlink(missing_ok=True)
    return failed


def unwritten(failed: Mapping[str, Exception]) -> WriteError:
    """The error for files that could not be written."""
    told = [
        f"{name} ({'; '.join([_reason(error), *getattr(error, '__notes__', [])])})" for name, error in failed.items()
    ]
    return WriteError(f"cannot write {', '.join(told)}")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def files_in(folder: FilePath) -> dict[str, str]:
    """The files of a run that are in ``folder``, and what each of them is; the report is written last."""
    return {name: what for name, what in _EVERY.items() if name == REPORT or (folder / name).exists()}


def list_files(out: FilePath, console: Console, written: Iterable[str]) -> None:
    """Prints the names of the files that were written, and where they are."""
    console.print()
    for name, what in _EVERY.items():
        if name in written:
            console.print(f"  {name:<18} {what}", soft_wrap=True)
    console.print(f"Open the folder {out}", soft_wrap=True)


@contextmanager
def staged(out: FilePath) -> Iterator[FilePath]:
    """A folder within ``out``, whose files move to ``out`` at the end.

    A failure or an interrupt before paths were saved leaves everything as it was. After that the files that are there
    move to ``out`` all the same, and a note of the error says so. Of an earlier run's files those that this one does
    not make go, once it has succeeded.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must name a folder, and {out} is a file: choose another one")
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    kept = False
    try:
        stage = _stage(out)
        try:
            yield stage
            written = {file.name for file in stage.iterdir()}
            kept = True
            where = _moved(stage, out)
            if where != str(out):
                raise WriteError(f"cannot write to {out}: what was written is in {where}")
            for name in _EVERY.keys() - written:
                (out / name).unlink(missing_ok=True)
        except BaseException as error:
            if not kept and any((stage / name).exists() for name in (PATHS, RESCUED)):
                kept = True
                error.add_note(f"What was written is in {_moved(stage, out)}")
            raise
        finally:
            if not kept:
                shutil.rmtree(stage, ignore_errors=True)
    finally:
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _stage(out: FilePath) -> FilePath:
    try:
        out.mkdir(parents=True, exist_ok=True)
        return FilePath(tempfile.mkdtemp(prefix=".unfinished-", dir=out))
    except OSError as error:
        raise InputError(f"cannot write to {out}: {error.strerror or error}") from error


def _moved(stage: FilePath, out: FilePath) -> str:
    """Moves the files to ``out``, the solved paths first; returns where they are then."""
    stuck = []
    for file in sorted(stage.iterdir(), key=lambda file: file.name not in (PATHS, RESCUED)):
        try:
            file.replace(out / file.name)
        except OSError:  # a folder of that name, or a disk that has become read-only
            stuck.append(file.name)
    if not stuck:
        stage.rmdir()
        return str(out)
    return f"{out}, but {', '.join(stuck)} in {stage}"
