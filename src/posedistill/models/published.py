"""Published checkpoints as model files: fetched, checked, converted, and kept in the cache."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from posedistill import weights, zoo
from posedistill.models.convert import convert


def published_model(name: str, *, fetch: Callable[[str], Path] = weights.fetch) -> Path:
    """Give the `.safetensors` file of a published checkpoint, made in the cache at first.

    name: of the model, an alias, or of its `.pth` file. fetch: gives the checkpoint by its file
    name. Raises ValueError for an unknown name or one without a checkpoint of a pose model, and
    what `posedistill.weights.fetch` does.

    >>> published_model("rtmpose-l-ucoco")  # doctest: +SKIP
    """
    entry = zoo.find(name)
    if entry.kind != "pose":
        raise ValueError(f"{entry.name} is a {entry.kind}, not a pose model")
    file_name = zoo.choose_file(name, file_format="pth").file_name
    ours = weights.cache_dir() / Path(file_name).with_suffix(".safetensors")
    if ours.is_file():
        return ours
    checkpoint = fetch(file_name)
    with TemporaryDirectory(prefix=".convert-", dir=ours.parent) as folder:
        whole = Path(folder, ours.name)
        convert(checkpoint, whole, licence=entry.licence, data_card=entry.data_card)
        os.replace(whole, ours)
    return ours
