"""Follow the people of a video: ids, smooth joints, and a CSV file with a row a person a frame.

Reading videos needs the extra `video`. A webcam goes by its number:

    python examples/video_to_csv.py dance.mp4 --out dance.csv
    python examples/video_to_csv.py 0 --frames 100 --out webcam.csv
"""

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from posedistill import Pipeline, VideoSettings, __version__
from posedistill.formats.image_poses import ImagePoses
from posedistill.formats.table import FORMATS


def main(words: Sequence[str] | None = None) -> None:
    """Follow, write, tell who was there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", help="a file, the number of a webcam, or the url of a stream")
    parser.add_argument("--model", default="wholebody-t", help="a name, or an .onnx file")
    parser.add_argument("--detector", default="auto", help="a name, an .onnx file, or none")
    parser.add_argument("--frames", type=int, help="stop after so many")
    parser.add_argument("--out", type=Path, default=Path("poses.csv"))
    given = parser.parse_args(words)

    source = int(given.video) if given.video.isdigit() else given.video
    settings = VideoSettings(detect_every=1, track=True, smooth="one-euro")
    rows, frames_by_id = [], dict[int, int]()
    with Pipeline(given.model, detector=given.detector) as pipeline:
        for done in islice(pipeline.video(source, settings=settings), given.frames):
            frame, (h, w) = done.frame, done.frame.image_rgb.shape[:2]
            rows.append(ImagePoses(frame.index, done.poses, given.video, (w, h), frame.time_s))
            for track in () if done.poses.ids is None else done.poses.ids.tolist():
                frames_by_id[track] = frames_by_id.get(track, 0) + 1
        skeleton = pipeline.skeleton
    given.out.parent.mkdir(parents=True, exist_ok=True)
    FORMATS["csv"].write(given.out, rows, skeleton=skeleton, version=__version__)
    for track, count in sorted(frames_by_id.items()):
        print(f"id {track}: in {count} of {len(rows)} frames")
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
