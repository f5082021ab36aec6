"""Loading of models by name: shipped, from a folder, from the Hub, or from code of your own.

======================== =========================================== ===================================================
name                     source                                      code that may run
======================== =========================================== ===================================================
``mnist-classifier``     a shipped model, see `available`            only this package
``runs/faces``           an existing folder: of a training run,      only this package: its weights are
                         or of ``save_pretrained``                   safetensors, its network one of `ARCHITECTURES`
``package.module:attr``  an object of yours                          the module, which you named
``org/name``             a repository of the Hub, saved by           as for a folder
                         ``push_to_hub``
======================== =========================================== ===================================================

They are tried in this order; ``./name`` is always a folder. A prior that a folder or a repository names is made here if
it is "normal" or "semicircle"; if it is code, it is refused unless you name it yourself, with ``prior=``.

**What an ``attr`` may be**, first match: a `Model`; a pair ``(generator, prior)``; a network of this package, with its
encoder or discriminator; a factory, which is a class or function that needs no argument: it is called once, and may
return any of these, or a generator; a generator, which is any other callable. Networks that a factory makes are put
into eval mode; one that exists already and is in training mode is refused, because it may be in use. Whether weights
require gradients is left as it is.
"""

import difflib
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsIndex

from safetensors import SafetensorError, safe_open
from torch import nn
from torch.distributions import Distribution

from .._validate import file_path, whole_number
from ..callables import check_eval, training_parts
from ..errors import InputError, MissingDataError
from .files import REFUSED, WEIGHTS_FILE, pickles_of
from .folders import ARCHITECTURES, as_model, read_model
from .hub import fetch
from .model import Model
from .networks.base import Pretrained
from .networks.classifier import Classifier
from .object_reference import call_factory, is_factory, is_reference, resolve
from .prior_names import named_prior, stored_prior
from .registry import WEIGHTS, available

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def load(
    name: str | os.PathLike[str] | Any,
    *,
    prior: Distribution | str | None = None,
    latent_dim: SupportsIndex | None = None,
) -> Model:
    """Returns the model called ``name``: shipped, in a folder, ``package.module:attr``, or "org/name" on the Hub.

    Args:
        name: see the table above. A path is a folder.
        prior: of the latents, instead of the one that comes with the model: a distribution over vectors ``(D,)``,
            "normal", "semicircle", or ``package.module:attr`` (a distribution, or a function that makes one). A bare
            generator has none and needs it.
        latent_dim: ``D``, for a prior by name; without it, the generator's ``latent_dim`` or that of its ``config``.

    Returns:
        A `Model`, in eval mode.

    Raises:
        InputError: an unknown name, a name that is neither text nor path, code that cannot be imported or makes
            something else, or a prior that is missing or over vectors of another length.
        GeneratorError: a network of yours that is in training mode.
        MissingDataError: a folder or a file of it is not there, or the Hub cannot be reached.
        DataError: its files are damaged, not of latentpath, or name a prior that is code.

    Warns:
        UserWarning: the folder is that of a training run that has gone on since its model was made.

    Example:
        >>> from latentpath.models import load
        >>> load("mnist-dcgan-semicircle").card["value_range"]
        [-1.0, 1.0]
        >>> load("torch:tanh", prior="normal", latent_dim=2)
        Model('torch:tanh', builtin_function_or_method, no description)
    """
    folder, text = file_path("name", name).expanduser(), os.fspath(name)
    if latent_dim is not None:
        latent_dim = whole_number("latent_dim", latent_dim, 1)
    if name in available():
        model = read_model(WEIGHTS / text, prior)
    elif text and folder.is_dir():
        run = (folder / "model" / WEIGHTS_FILE).is_file() and not (folder / WEIGHTS_FILE).is_file()
        model = read_model(folder / "model" if run else folder, prior)
        if run:
            _warn_if_outdated(folder, model)
    elif is_reference(name):
        model = _from_code(text, prior, latent_dim)
    elif isinstance(name, str) and _HUB_ID.fullmatch(text) and not folder.exists():
        model = read_model(fetch(text, ARCHITECTURES), prior)
        model = model if model.card else replace(model, name=text)
    else:
        raise _nothing(text, folder)
    if model.prior is None and not isinstance(model.generator, Classifier):
        raise InputError(
            f"{text} has no prior: give one with prior=, a distribution over vectors (D,), or one by name "
            '("normal", "semicircle", "package.module:attr") with latent_dim=D'
        )
    if latent_dim is not None and model.prior is not None and model.prior.event_shape != (latent_dim,):
        raise InputError(
            f"latent_dim is {latent_dim}, but the prior of {text} is over vectors ({model.prior.event_shape[0]},)"
        )
    return model


def _warn_if_outdated(run: Path, model: Model) -> None:
    """Warns where the training run in a folder has taken steps since its model was made."""
    made = model.card.get("steps")
    try:
        with safe_open(run / "state.safetensors", "pt") as file:
            reached = int((file.metadata() or {})["step"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return
    if made != reached:
        warnings.warn(
            f"{run / 'model'} was made after {made} steps of its run, which is at step {reached} by now: finish the "
            "run with --resume, or make a model of its last checkpoint with latentpath train package",
            stacklevel=3,
        )


def _nothing(name: str, folder: Path) -> InputError | MissingDataError:
    if folder.is_file():
        if pickles_of([folder.name]):
            return InputError(f"{name} {REFUSED}, and make a folder of it with write_model or save_pretrained")
        return InputError(f"{name} is a file: name the folder that it lies in")
    if os.sep in name or "/" in name or name.startswith(("~", ".")):
        return MissingDataError(f"there is no folder {name} (and it is no repository of the Hub, org/name)")
    known = available()
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return InputError(
        f"there is no shipped model and no folder called {name!r}{hint} There are: {', '.join(known) or 'none'}. "
        "A folder, package.module:attr, and org/name for the Hub work too"
    )


def _from_code(name: str, prior: Distribution | str | None, dim: int | None) -> Model:
    value, fresh = resolve(name), False
    if is_factory(value):
        value, fresh = call_factory(name, value), True
    model = _as_model(name, value, prior, dim)
    for part in (model.generator, model.encoder, model.discriminator):
        if fresh and isinstance(part, nn.Module) and training_parts(part):
            part.eval()
        check_eval(part, f"{name}: {type(part).__name__}", "Call .eval() on it, or name a function that makes it.")
    return model


def _as_model(name: str, value: Any, prior: Distribution | str | None, dim: int | None) -> Model:
    """Makes a model of an object of the user's, with ``prior`` instead of its own."""
    own: Any = None
    if isinstance(value, tuple) and len(value) == 2:
        value, own = value
    if isinstance(value, type) or not (isinstance(value, Model) or callable(value)):
        raise InputError(
            f"{name} must be a latentpath.Model, a generator, a pair (generator, prior), or a function that needs no "
            f"argument and makes one of these; got {value!r}"
        )
    if isinstance(value, Model):
        dim = dim or _latent_dim(value.generator, value.prior)
        return value if prior is None else replace(value, prior=_prior(prior, dim), recipe=None)
    dim = dim or _latent_dim(value, own)
    found = _prior(own if prior is None else prior, dim)
    if isinstance(value, Pretrained):
        if found is None and "prior" in value.config:
            found = stored_prior({"name": value.config["prior"], "dim": dim}, f"the network {name}")
        return as_model(value, found, name, {})
    return Model(value, found, name=name)


def _prior(prior: Any, dim: int | None) -> Any:
    return named_prior(prior, dim) if isinstance(prior, str) else prior


def _latent_dim(generator: Any, prior: Any) -> int | None:
    """Returns the length of a latent from the prior or an attribute of the generator; None where neither has it."""
    if isinstance(prior, Distribution) and len(prior.event_shape) == 1:
        return prior.event_shape[0]
    for holder in (generator, getattr(generator, "config", None)):
        found = holder.get("latent_dim") if isinstance(holder, Mapping) else getattr(holder, "latent_dim", None)
        if isinstance(found, int) and not isinstance(found, bool):
            return found
    return None
