"""The environment of every test: one thread, a seed, Ctrl-C, no network, no window, real data where it is."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import settings
from jaxtyping import config

torch.set_num_threads(1)
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")
pytest.register_assert_rewrite("closed_forms", "interpolate_examples", "laws", "path_examples", "reference")

SEED = 0
DATA_VARIABLE = "LATENTPATH_DATA"


class EveryTest:
    """Hooks for every item, the examples in the package's docstrings too (a conftest's own reach its folder only)."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        for marker in item.iter_markers("data"):
            _skip_without(marker.args)
        random.seed(SEED)
        np.random.seed(SEED)  # noqa: NPY002 - libraries under test may draw from it
        torch.manual_seed(SEED)


def _skip_without(names: tuple[str, ...]) -> None:
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        pytest.skip(f"needs real data: pass --data FOLDER or set {DATA_VARIABLE}")
    for name in names:
        if not (Path(folder) / name).is_dir():
            pytest.skip(f"needs the data set {name}: {DATA_VARIABLE} has no folder of that name")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        metavar="FOLDER",
        help=f"the folder with the data sets (mnist, ...) for the tests on real data; otherwise {DATA_VARIABLE}",
    )


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job that a shell put in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = config.getoption("--data")
    if folder:
        path = Path(folder).expanduser().resolve()
        if not path.is_dir():
            raise pytest.UsageError(f"--data must name a folder, and {path} is none")
        os.environ[DATA_VARIABLE] = str(path)
    config.pluginmanager.register(EveryTest(), "latentpath-every-test")


@pytest.fixture
def data_folder() -> Path:
    """The folder with the data sets; the test that asks for it is skipped without one."""
    _skip_without(())
    return Path(os.environ[DATA_VARIABLE])


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Calls functions as a user does: the types of their arguments are not checked by jaxtyping before they run."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """The package without the type checker of the tests, which would refuse wrong types before the package does."""
    names = [name for name in sys.modules if name == "latentpath" or name.startswith("latentpath.")]
    watched, finders = {name: sys.modules.pop(name) for name in names}, list(sys.meta_path)
    sys.meta_path[:] = [f for f in finders if not type(f).__module__.startswith("jaxtyping")]
    try:
        package = importlib.import_module("latentpath")
        for name in package.__all__:  # those that load on first use, too
            getattr(package, name)
        return package
    finally:
        sys.meta_path[:] = finders
        for name in [name for name in sys.modules if name == "latentpath" or name.startswith("latentpath.")]:
            del sys.modules[name]
        sys.modules.update(watched)
