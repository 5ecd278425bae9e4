"""Items of bulk work: which files there are, what each is called, and what number that makes."""

import json
from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from posedistill.bulk.places import Place, is_url, matching, open_place, put_text, split_file
from posedistill.json_file import read_json

SETTINGS = "settings.json"


class Item(NamedTuple):
    """Name one image or video.

    Attributes:
        name: what it is called in results; place, key: where it is, as `open_place` takes them.
    """

    name: str
    place: str
    key: str


def list_items(inputs: Sequence[str], *, suffixes: Collection[str]) -> list[Item]:
    """Give the files that inputs stand for, sorted by name.

    inputs: files, folders with all folders below, or urls of them. Of one input, names are paths
    below it; of several, that of the input comes before. A file that is named itself counts
    whatever its suffix. Raises FileNotFoundError for a missing input, and ValueError for two
    files of one name and where there are no files.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "b").mkdir()
    ...     for name in ("b/1.jpg", "a.png", "c.txt"):
    ...         Path(folder, name).touch()
    ...     [item.name for item in list_items([folder], suffixes=(".jpg", ".png"))]
    ['a.png', 'b/1.jpg']
    """
    items: dict[str, Item] = {}
    for source in inputs:
        for item in _items_of(source, suffixes, is_alone=len(inputs) == 1):
            other = items.setdefault(item.name, item)
            if other[1:] != item[1:]:
                raise ValueError(
                    f"{_where(other)} and {_where(item)} would both be called {item.name!r}; "
                    "do them into folders of their own"
                )
    if not items:
        raise ValueError(f"no files to do in {', '.join(inputs)}; looked for {', '.join(suffixes)}")
    return [items[name] for name in sorted(items)]


def _items_of(source: str, suffixes: Collection[str], *, is_alone: bool) -> list[Item]:
    place, key = split_file(source)
    if key is not None:
        return [Item(key, place, key)]
    before = "" if is_alone else f"{_last_part(place)}/"
    found = matching(open_place(place).files(), suffixes)
    return [Item(before + key, place, key) for key in found]


def _last_part(place: str) -> str:
    return place.rstrip("/").rpartition("/")[2] if is_url(place) else Path(place).resolve().name


def _where(item: Item) -> str:
    return f"{item.place}/{item.key}"


def number_of(name: str) -> int:
    """Give a number of 63 bits that is always that of the name, and as good as never another's.

    >>> number_of("a.jpg")
    9161438751103734724
    """
    digest = blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def keep_settings(out: Place, settings: Mapping[str, Any]) -> None:  # Any: JSON
    """Note what the results in a place are made with; refuse to go on there with anything else.

    Raises ValueError naming what differs.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     keep_settings(open_place(folder), {"model": "wholebody-t"})
    ...     keep_settings(open_place(folder), {"model": "wholebody-s"})
    Traceback (most recent call last):
    ValueError: model was 'wholebody-t' and is 'wholebody-s' now; results of both cannot lie in \
one --out: choose another, or go on as before
    """
    if SETTINGS not in out.files():
        put_text(out, SETTINGS, text=f"{json.dumps(settings)}\n")
        return
    with out.local(SETTINGS) as path:
        before = read_json(path, kind="settings file")
    for key, value in settings.items():
        old = before.get(key) if isinstance(before, dict) else None
        if old != value:
            raise ValueError(
                f"{key} was {old!r} and is {value!r} now; results of both cannot lie in one "
                "--out: choose another, or go on as before"
            )
