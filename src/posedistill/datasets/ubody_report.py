"""What became of each scene of UBody, and what is missing."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

# The scenes of the published data set, as its folders are called.
SCENES = (
    *("ConductMusic", "Entertainment", "Fitness", "Interview", "LiveVlog", "Magic_show", "Movie"),
    *("Olympic", "Online_class", "SignLanguage", "Singing", "Speech", "TVShow", "TalkShow"),
    "VideoConference",
)
UNUSED = "unused video"  # the one kind of problem that leaves nothing undone
_HEADER = ("scene", "videos", "wanted", "frames", *("train images", "people"), *("test", "people"))


@dataclass(frozen=True)
class Problem:
    """Say what is missing or wrong.

    Attributes:
        kind: a few words, the same for all of its kind. subject: the video or file.
        count: frames, images or people concerned. detail: what is known of it.
    """

    kind: str
    scene: str
    subject: str
    count: int
    detail: str = ""

    def __str__(self) -> str:
        """Give one line."""
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.kind}: {self.scene}/{self.subject} ({self.count}){detail}"


@dataclass(frozen=True)
class SceneCounts:
    """Count what a scene gave: videos with wanted frames, frames, images and people."""

    scene: str
    videos: int
    frames_wanted: int
    frames: int
    train_images: int
    train_people: int
    test_images: int
    test_people: int


@dataclass(frozen=True)
class UBodyReport:
    """Tell what was prepared and what is missing.

    Attributes:
        every: the rule by which images were kept. has_split: whether a list of test videos was
        given; without one all is for training.
    """

    every: int
    has_split: bool
    scenes: tuple[SceneCounts, ...]
    problems: tuple[Problem, ...]

    @property
    def is_complete(self) -> bool:
        """Say whether all that the annotations want is there."""
        return all(problem.kind == UNUSED for problem in self.problems)

    @property
    def absent_scenes(self) -> tuple[str, ...]:
        """Give the published scenes of which there are no annotations here."""
        present = {counts.scene for counts in self.scenes}
        present |= {problem.scene for problem in self.problems}
        return tuple(scene for scene in SCENES if scene not in present)

    def to_json(self) -> str:
        """Give the report as JSON."""
        content = {
            **asdict(self),
            "is_complete": self.is_complete,
            "absent_scenes": self.absent_scenes,
        }
        return json.dumps(content, indent=1)

    def __str__(self) -> str:
        """Give the report as text: a table, then what is missing."""
        rows = [tuple(map(str, asdict(counts).values())) for counts in self.scenes]
        sums = [sum(map(int, column)) for column in list(zip(*rows, strict=True))[1:]]
        lines = [_table([_HEADER, *rows, ("all", *map(str, sums))])]
        if not self.has_split:
            lines.append("no list of test videos was given: all images are for training")
        if self.absent_scenes:
            lines.append(f"published scenes that are not here: {', '.join(self.absent_scenes)}")
        lines.append("")
        lines += map(str, self.problems or ["nothing is missing"])
        return "\n".join(lines)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
