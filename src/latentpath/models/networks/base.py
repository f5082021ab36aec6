"""The base of all networks: ``save_pretrained`` and ``from_pretrained``, to a folder or the Hub, without pickles.

The arguments of a network are its ``config``, a plain dictionary, written to ``config.json`` beside
``model.safetensors`` together with the name of its class.
"""

from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub import PyTorchModelHubMixin
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from ..._io import write_file, write_json
from ...errors import DataError, LatentPathError
from ..files import CONFIG_FILE, REFUSED, WEIGHTS_FILE, as_stored, in_float32, read_files, weights_in
from ..hub import unreachable

T = TypeVar("T", bound="Pretrained")


class Pretrained(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="latentpath",
    tags=["latentpath"],
    license="mit",
):
    """A network with ``save_pretrained(folder)``, ``from_pretrained(folder or Hub id)`` and ``push_to_hub``.

    Those are `huggingface_hub.PyTorchModelHubMixin`'s, with three differences: weights are safetensors or nothing (a
    repository that only has a pickle is refused), ``config.json`` names the class, and a file that is damaged or of
    another network raises `DataError`. ``from_pretrained`` gives a network in eval mode, its parameters in float32
    whatever precision they were stored in.

    Example:
        >>> import tempfile, torch
        >>> from latentpath.models import DCGAN
        >>> network = DCGAN(latent_dim=5, width=4, discriminator_width=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = network.save_pretrained(folder)
        ...     again = DCGAN.from_pretrained(folder)
        >>> again.config == network.config
        True
    """

    @classmethod
    def from_pretrained(cls: type[T], pretrained_model_name_or_path: str | Path, **options: Any) -> T:
        """Returns the network in a folder, or in a repository of the Hub, in eval mode."""
        place = Path(pretrained_model_name_or_path)
        if place.is_dir():
            named = read_files(place)[0]["class"]
            if named != cls.__name__:
                raise DataError(f"{place} holds a {named}, not a {cls.__name__}")
        try:
            found: T = super().from_pretrained(pretrained_model_name_or_path, **options)
        except (OSError, ValueError, TypeError, RuntimeError, OverflowError) as error:
            if isinstance(error, LatentPathError):
                raise
            if place.is_dir():
                raise DataError(f"{place / CONFIG_FILE} describes no {cls.__name__} ({error})") from error
            raise unreachable(str(pretrained_model_name_or_path), error) from error
        return found

    @property
    def config(self) -> dict[str, Any]:
        """The arguments that the network was built with."""
        assert isinstance(self._hub_mixin_config, dict)
        return dict(self._hub_mixin_config)

    def write(self, folder: Path, dtype: torch.dtype | None = None) -> None:
        """Writes weights (parameters in ``dtype``; None: as they are) and ``config.json``, each whole or not at all."""
        write_file(folder / WEIGHTS_FILE, save_tensors(as_stored(self, dtype)))
        write_json(folder / CONFIG_FILE, {"class": type(self).__name__, **self.config})

    def _save_pretrained(self, save_directory: Path) -> None:
        self.write(save_directory)

    @classmethod
    def _from_pretrained(
        cls: type[T], *, model_id: str, map_location: str = "cpu", strict: bool = True, **rest: Any
    ) -> T:
        if not Path(model_id).is_dir():
            found: T = super()._from_pretrained(model_id=model_id, map_location=map_location, strict=strict, **rest)
            return found
        for option in ("revision", "cache_dir", "force_download", "local_files_only", "token"):
            rest.pop(option, None)  # of the Hub
        return cls._load_as_safetensor(cls(**rest), str(weights_in(Path(model_id))), map_location, strict)

    @classmethod
    def _load_as_safetensor(cls, model: T, model_file: str, map_location: str, strict: bool) -> T:  # type: ignore[override]
        try:
            tensors = load_tensors(Path(model_file).read_bytes())
            model.load_state_dict(in_float32(tensors), strict=strict)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise DataError(f"{model_file} is damaged or holds the weights of another network: {error}") from error
        return model.to(map_location).eval()

    @classmethod
    def _load_as_pickle(cls, model: T, model_file: str, map_location: str, strict: bool) -> T:  # type: ignore[override]
        raise DataError(f"{model_file} {REFUSED}")
