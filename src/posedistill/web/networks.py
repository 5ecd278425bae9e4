"""Networks of the server: those that were named at its start, and no others."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posedistill.poses import Poses
from posedistill.runtime.detector import Detector
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.session import Session, open_session
from posedistill.web.errors import ApiError
from posedistill.web.settings import Settings

WHOLE_IMAGE = "none"
_FILE_SUFFIXES = (".onnx", ".safetensors")


class Choice(NamedTuple):
    """Name a model and a detector that are served."""

    model: str
    detector: str


class Openers(NamedTuple):
    """Open what the settings name: a model, and a detector."""

    session: Callable[[str], Session] = open_session
    detector: Callable[[str], Detector] = Detector


class Networks:
    """Hold the open networks of a server by the names that callers may use.

    The name of a file or folder is its own, without folders before it and without suffix. Raises
    what the openers do, and ValueError where two of a kind have one name.

    >>> with Networks(Settings()) as networks:
    ...     networks.choose(None, None)
    Choice(model='wholebody-t', detector='person-n')
    """

    def __init__(self, settings: Settings, openers: Openers | None = None) -> None:
        opens = openers or Openers()
        models = _by_name(settings.models, "models")
        detectors = _by_name(settings.detectors, "detectors")
        self._detectors: dict[str, Detector | None] = {
            name: None if source == WHOLE_IMAGE else opens.detector(source)
            for name, source in detectors.items()
        }
        if self._detectors.setdefault(WHOLE_IMAGE, None) is not None:
            raise ValueError(
                f"{detectors[WHOLE_IMAGE]} may not be called {WHOLE_IMAGE!r}; rename it"
            )
        self._sessions = {name: opens.session(source) for name, source in models.items()}
        self._pipelines = {
            Choice(model, detector): Pipeline(
                session, detector=WHOLE_IMAGE if opened is None else opened
            )
            for model, session in self._sessions.items()
            for detector, opened in self._detectors.items()
        }
        for pipeline in self._pipelines.values():
            _ = pipeline.estimator  # made now, so that what does not fit is told at the start

    @property
    def sessions(self) -> dict[str, Session]:
        """Give the models by name, the default first."""
        return self._sessions

    @property
    def detectors(self) -> list[str]:
        """Give the names of the detectors, the default first."""
        return list(self._detectors)

    def choose(self, model: str | None, detector: str | None) -> Choice:
        """Give what a caller asks for, the defaults for None; ApiError for what is not served."""
        return Choice(
            _known(model, list(self._sessions), "model"),
            _known(detector, self.detectors, "detector"),
        )

    def estimate(self, choice: Choice, images_rgb: Sequence[NDArray[np.uint8]]) -> list[Poses]:
        """Give the poses of several images together: one call of the model for all their people.

        images_rgb: (H, W, 3) uint8 each, of any sizes. Raises ValueError where a network fails.
        """
        pipeline = self._pipelines[choice]
        found = pipeline.find(images_rgb)
        boxes, scores = [people.boxes_xyxy for people in found], [p.scores for p in found]
        return pipeline.estimator.many(images_rgb, boxes, scores)

    def close(self) -> None:
        """Free the memory of all networks."""
        for session in self._sessions.values():
            session.close()
        for detector in filter(None, self._detectors.values()):
            detector.close()

    def __enter__(self) -> "Networks":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _by_name(sources: Sequence[str], kind: str) -> dict[str, str]:
    by_name: dict[str, str] = {}
    for source in dict.fromkeys(sources):
        path = Path(source)
        name = path.stem if path.suffix in _FILE_SUFFIXES else path.name
        if name in by_name:
            raise ValueError(
                f"{by_name[name]} and {source} would both be called {name!r} among the {kind}; "
                "rename one of the files"
            )
        by_name[name] = source
    return by_name


def _known(name: str | None, names: Sequence[str], kind: str) -> str:
    if name is None:
        return names[0]
    if name not in names:
        raise ApiError(
            404,
            f"unknown_{kind}",
            message=f"no {kind} {name[:60]!r} is served; ask for one of {', '.join(names)}",
        )
    return name
