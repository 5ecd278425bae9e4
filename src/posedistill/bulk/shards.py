"""Shards: the share of one process in very many images, and its part of the results.

Which shard an image is of depends on its name alone, so that new images move no other. Poses are
appended to ``part-0003-of-0016.jsonl`` line by line; for Parquet, that file is turned into the next
piece, ``part-0003-of-0016-00000.parquet``, whenever it is long enough, and at the end.
"""

import json
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from posedistill import __version__
from posedistill.bulk.estimate import Outcome, estimate_images
from posedistill.bulk.items import Item, number_of
from posedistill.bulk.parts import SUFFIXES, lines_to_parquet, names_in
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.json_lines import JsonLines
from posedistill.media import MAX_PIXELS
from posedistill.runtime.pipeline import Pipeline
from posedistill.skeleton import Skeleton

PIECE_IMAGES = 10_000


@dataclass(frozen=True)
class Shard:
    """Name one of several shares: the index counts from 0.

    Raises ValueError for a share that is not there.

    >>> Shard.parse("3/16").name
    '0003-of-0016'
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(
                f"shard is {self.index}/{self.count}; {self.count} shards are "
                f"0/{self.count} to {self.count - 1}/{self.count}"
                if self.count > 0
                else f"shard is {self.index}/{self.count}; expected at least one, 0/1"
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a shard as it is given on the command line; raises ValueError for other text.

        >>> Shard.parse("0 of 2")
        Traceback (most recent call last):
        ValueError: shard is '0 of 2'; expected i/n, such as 0/16 for the first of 16
        """
        index, slash, count = text.partition("/")
        if not (slash and _is_number(index) and _is_number(count)):
            raise ValueError(f"shard is {text!r}; expected i/n, such as 0/16 for the first of 16")
        return cls(int(index), int(count))

    @property
    def name(self) -> str:
        """Give what its files are called."""
        return f"{self.index:04d}-of-{self.count:04d}"

    def of(self, items: Iterable[Item]) -> list[Item]:
        """Give the items that are in this shard.

        >>> items = [Item(f"{n}.jpg", ".", f"{n}.jpg") for n in range(100)]
        >>> [len(Shard(index, 4).of(items)) for index in range(4)]
        [28, 26, 25, 21]
        """
        return [item for item in items if number_of(item.name) % self.count == self.index]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


class ShardFiles:
    """Hold the part of the results that a shard writes, and go on where it was left.

    out: folder, which is made. parquet: whether the results end as Parquet, which needs the extra
    ``parquet``. piece_images: how many are in a piece of Parquet.
    One process at a time may work on a shard. Raises ValueError for a damaged part.

    >>> from tempfile import TemporaryDirectory
    >>> item = Item("none.png", ".", "none.png")
    >>> with TemporaryDirectory() as folder, Pipeline(detector="none") as pipeline:
    ...     files = ShardFiles(Path(folder), Shard(0, 1))
    ...     failed = [outcome.error for outcome in files.run([item], pipeline)]
    ...     failed, len(files.left([item]))
    (['no such image: none.png'], 1)
    """

    def __init__(
        self, out: Path, shard: Shard, *, parquet: bool = False, piece_images: int = PIECE_IMAGES
    ) -> None:
        if parquet:
            import pyarrow  # noqa: F401  # before all the work that would be in vain
        out.mkdir(parents=True, exist_ok=True)
        self._stem = out / f"part-{shard.name}"
        self._piece_images = piece_images if parquet else None
        self._journal = Path(f"{self._stem}{SUFFIXES['jsonl']}")
        self._lines: JsonLines | None = None
        self.failures = out / f"failures-{shard.name}.jsonl"
        self._num_lines, self._done = self._resume()

    def left(self, items: Iterable[Item]) -> list[Item]:
        """Give the items that have no result yet; those that failed are among them."""
        return [item for item in items if item.name not in self._done]

    def run(
        self, items: Iterable[Item], pipeline: Pipeline, *, max_pixels: int = MAX_PIXELS
    ) -> Generator[Outcome, None, None]:
        """Do items, and give what became of each as soon as that is written; close it to stop.

        max_pixels: larger images are refused. Raises what stops the whole job: OSError where
        nothing can be written.
        """
        self.failures.unlink(missing_ok=True)
        try:
            for outcome in estimate_images(items, pipeline, max_pixels=max_pixels):
                if outcome.image is None:
                    self._note_failure(outcome)
                else:
                    self._append(outcome.image, pipeline.skeleton)
                yield outcome
        finally:
            self._close()
        if self._piece_images is not None and self._num_lines:
            self._make_piece()

    def _resume(self) -> tuple[int, set[str]]:
        """Give how many lines are in no piece yet, and all names that are done."""
        pieces = [names_in(piece) for piece in self._pieces()]
        done = set().union(*pieces)
        lines = names_in(self._journal) if self._journal.is_file() else set()
        if lines and pieces and lines <= pieces[-1]:  # killed before the lines were removed
            self._journal.unlink()
            lines = set()
        return len(lines), done | lines

    def _pieces(self) -> list[Path]:
        name = f"{self._stem.name}-*{SUFFIXES['parquet']}"
        return sorted(self._stem.parent.glob(name))

    def _append(self, image: ImagePoses, skeleton: Skeleton) -> None:
        if self._lines is None:
            self._lines = JsonLines(self._journal, skeleton=skeleton, version=__version__)
        self._lines.write(image)
        self._num_lines += 1
        self._done.add(str(image.file_name))
        if self._piece_images is not None and self._num_lines >= self._piece_images:
            self._close()
            self._make_piece()

    def _make_piece(self) -> None:
        piece = f"{self._stem}-{len(self._pieces()):05d}{SUFFIXES['parquet']}"
        lines_to_parquet(self._journal, Path(piece))
        self._journal.unlink()
        self._num_lines = 0

    def _note_failure(self, outcome: Outcome) -> None:
        with self.failures.open("ab") as file:
            file.write(failure_line(outcome.item.name, str(outcome.error)))

    def _close(self) -> None:
        if self._lines is not None:
            self._lines.close()
        self._lines = None


def failure_line(name: str, error: str) -> bytes:
    r"""Give the line that says what failed and why.

    >>> failure_line("a.jpg", "it is empty")
    b'{"file_name": "a.jpg", "error": "it is empty"}\n'
    """
    return f"{json.dumps({'file_name': name, 'error': error})}\n".encode()
