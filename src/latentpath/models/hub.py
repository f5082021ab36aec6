"""A model's files from the Hugging Face Hub: configuration, card, weights, and nothing else.

These are ``config.json``, ``card.json``, ``model.safetensors``, and the surrogates of a recipe that the card names.
The configuration is fetched first: a repository with other content costs no download of its weights. Fetched files lie
in the Hub's own cache (``HF_HOME``), so that a second load needs no network.
"""

from collections.abc import Collection
from pathlib import Path

from ..errors import DataError, MissingDataError
from .files import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, pickles_of, read_json, without_weights
from .recipes import surrogate_files


def fetch(repository: str, classes: Collection[str]) -> Path:
    """Returns the cache folder with the files of ``repository``, "org/name"; missing files are fetched."""
    folder = _snapshot(repository, CONFIG_FILE, CARD_FILE)
    config = read_json(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else {}
    if config.get("class") not in classes:
        names = _names(repository, folder)
        if WEIGHTS_FILE not in names and pickles_of(names):
            raise without_weights(repository, names)
        raise DataError(
            f"{repository} was not saved by latentpath: its {CONFIG_FILE} should name one of {sorted(classes)}, "
            f"it names {config.get('class')!r}. Load it with its own library, in a function of yours, "
            'and name that, "package.module:attr"; latentpath.adapters may help'
        )
    card = read_json(folder / CARD_FILE) if (folder / CARD_FILE).is_file() else {}
    folder = _snapshot(repository, WEIGHTS_FILE, *surrogate_files(card), revision=folder.name)
    if not (folder / WEIGHTS_FILE).is_file():
        raise without_weights(repository, _names(repository, folder))
    return folder


def _snapshot(repository: str, *files: str, revision: str | None = None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(files), revision=revision))
    except Exception as error:
        raise unreachable(repository, error) from error


def unreachable(repository: str, error: Exception) -> MissingDataError:
    """Returns the error for a repository that could not be fetched, with the reason and a remedy."""
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        says = f"shows it to some people only: ask at {constants.ENDPOINT}/{repository}, then log in (hf auth login)"
    elif isinstance(error, RepositoryNotFoundError | HFValidationError):
        says = "has none of that name, or it is private: check the name, or log in (hf auth login)"
    elif constants.HF_HUB_OFFLINE:
        says = "may not be asked (HF_HUB_OFFLINE is set), and not all of it is in the cache: unset HF_HUB_OFFLINE"
    else:
        first = (str(error).splitlines() or [""])[0]
        says = (
            f"did not give it ({type(error).__name__}: {first}): try again, or fetch it elsewhere with "
            f"hf download {repository} --local-dir FOLDER, and name that folder"
        )
    return MissingDataError(
        f"{repository} is no folder here, and was looked for on the Hub ({constants.ENDPOINT}), which {says}"
    )


def _names(repository: str, folder: Path) -> list[str]:
    """Lists the files of a repository, or those in the cache where the Hub is unreachable."""
    from huggingface_hub import HfApi

    try:
        return HfApi().list_repo_files(repository, revision=folder.name)
    except Exception:
        return [file.name for file in folder.iterdir()] if folder.is_dir() else []
