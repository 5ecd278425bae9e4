"""Joint sources: data sets of several kinds as the data of one recipe, named in one line each."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posedistill.datasets.coco import CocoDataset, read_coco
from posedistill.datasets.halpe import read_halpe
from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.joint import JointDataset, Source
from posedistill.datasets.mpii import read_mpii
from posedistill.datasets.wholebody import read_wholebody
from posedistill.train.data import ValidationFiles, files_if_both

# No path on any system is likely to hold it; ":" follows the drive on Windows.
SEPARATOR = "|"
READERS: dict[str, Callable[[Path, Path], CocoDataset]] = {
    "wholebody": read_wholebody,
    "coco": read_coco,
    "halpe": read_halpe,
    "mpii": read_mpii,
}
SYNTH, NO_FOLDER = "synth", "none"
KINDS = (*READERS, SYNTH)
_FORM = (
    f"expected KIND{SEPARATOR}ANNOTATIONS{SEPARATOR}IMAGES or "
    f"KIND{SEPARATOR}ANNOTATIONS{SEPARATOR}IMAGES{SEPARATOR}RATIO, {SYNTH} with COUNT and FOLDER "
    f"(or {NO_FOLDER}) in their place, KIND one of {', '.join(KINDS)}"
)
_EXAMPLE = "--set 'data.sources=wholebody|a.json|images, mpii|b.json|pictures|0.5'"


@dataclass(frozen=True)
class JointData:
    """Name several data sets to train on as one, their joints matched by name.

    Attributes:
        sources: ``KIND|ANNOTATIONS|IMAGES`` or ``KIND|ANNOTATIONS|IMAGES|RATIO`` each. KIND is
            ``wholebody`` (UBody as `posedistill data ubody` writes it, too), ``coco``, ``halpe`` or
            ``mpii``. ANNOTATIONS and IMAGES are file and folder, relative to `root`. RATIO, 1
            without it, is how often an epoch shows the people of the source. ``synth|COUNT|FOLDER``
            renders so many people as they are wanted, before photos of that folder, or before made
            backgrounds where it is ``none``.
        root: folder that all paths are relative to.
        skeleton: that all are joined into; joints that a source lacks are not taught by it.
        val, val_images: annotation file and image folder to evaluate on, of the layout that the
            skeleton is scored by; without them, nothing is evaluated.

    On the command line: ``--set 'data.sources=coco|a.json|images, mpii|b.json|pictures|2'``, or
    as a Python tuple of texts where a path holds a comma.
    """

    sources: tuple[str, ...] = ()
    root: str = "data"
    skeleton: str = "wholebody133"
    val: str = ""
    val_images: str = ""

    def training(self) -> PoseDataset:
        """Read the people of all sources to train on.

        Raises ValueError for a source that is not of the form above, and what the readers raise.
        """
        if not self.sources:
            raise ValueError(f"no sources to learn from: {_EXAMPLE}; {_FORM}")
        named = [_parse(text) for text in self.sources]  # all of them, before any is read
        root = Path(self.root)
        return JointDataset(
            [
                Source(_open(kind, file, images, root=root, seed=seed), ratio=ratio, name=kind)
                for seed, (kind, file, images, ratio) in enumerate(named)
            ],
            skeleton=self.skeleton,
        )

    def validation(self, run_dir: Path) -> ValidationFiles | None:
        """Name the people to evaluate on, or give None where there are none.

        Raises ValueError where one of the two paths is missing.
        """
        files = files_if_both(self.val, self.val_images)
        return files and ValidationFiles(*(Path(self.root) / path for path in files))


def _open(  # house rule: as named
    kind: str, file: str, images: str, *, root: Path, seed: int
) -> PoseDataset:
    """Open a source; seed tells the synthetic people of two sources apart."""
    if kind == SYNTH:
        from posedistill.synth.dataset import SynthPeople

        backgrounds = None if images == NO_FOLDER else root / images
        return SynthPeople(int(file), seed=seed, backgrounds=backgrounds)
    return READERS[kind](root / file, root / images)


def _parse(text: str) -> tuple[str, str, str, float]:
    """Give kind, annotations, images and ratio of a source."""
    fault = f"data.sources holds {text!r}"
    words = [word.strip() for word in text.split(SEPARATOR)]
    if len(words) not in (3, 4) or not all(words):
        raise ValueError(f"{fault}; {_FORM}")
    kind, annotations, images = words[:3]
    if kind not in KINDS:
        raise ValueError(f"{fault}: unknown kind {kind!r}; {_FORM}")
    if kind == SYNTH and not annotations.isdecimal():
        raise ValueError(f"{fault}: {annotations!r} is no number of images; {_FORM}")
    try:
        ratio = float(words[3]) if len(words) == 4 else 1.0
    except ValueError as error:
        raise ValueError(f"{fault}: ratio {words[3]!r} is no number; {_FORM}") from error
    if not 0 < ratio < math.inf:
        raise ValueError(f"{fault}: ratio {words[3]} must be above 0; {_FORM}")
    return kind, annotations, images, ratio
