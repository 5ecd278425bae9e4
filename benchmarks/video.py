"""Time a video through the pipeline against its slowest stage alone, and watch the memory.

    python benchmarks/video.py --video CLIP.mp4 --threads 1 --frames 240 --memory-frames 5000

CLIP is scaled to 720p first, and repeated as often as needed. Each stage then works alone on all
frames, one stage after the other; then all of them overlap, as in `posedistill predict`. What
the pipeline reaches of its slowest stage is limited by the processors: stages that together need
more than there are cannot overlap. So the table also says how many processors they would keep busy.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `benchmarks`

from benchmarks.goals import Goal, print_goals
from posedistill.draw.overlay import draw_overlay
from posedistill.runtime.pipeline import Pipeline
from posedistill.runtime.stages import Stage, Stages, each
from posedistill.runtime.video_stages import FramePoses, VideoSettings
from posedistill.video import Frame, VideoReader, VideoWriter

SIZE_WH = (1280, 720)
FPS = 30.0


@dataclass(frozen=True)
class Alone:
    """Hold what a stage needs for all frames when nothing else runs."""

    name: str
    seconds: float
    processor_s: float


def main() -> None:
    """Print the tables."""
    arguments = _arguments()
    settings = VideoSettings(one_person=arguments.detector == "none", batch=arguments.batch)
    with (
        TemporaryDirectory() as folder,
        Pipeline(
            arguments.model, detector=arguments.detector, threads=arguments.threads
        ) as pipeline,
    ):
        clip = Path(folder, "720p.mp4")
        write_720p(arguments.video, clip, count=arguments.frames)
        for _ in islice(pipeline.video(clip, settings=settings), 20):
            pass  # warm
        alone = time_alone(clip, pipeline, settings)
        print_speed(alone, [time_together(clip, pipeline, settings) for _ in range(3)], arguments)
        if arguments.memory_frames:
            print_memory(clip, pipeline, settings=settings, count=arguments.memory_frames)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--video", type=Path, required=True, metavar="FILE", help="a clip of one person")
    add("--model", default="wholebody-t")
    add("--detector", default="none", help="none: one person, followed from the whole image")
    add("--threads", type=int, default=1, help="of each network; default 1")
    add("--batch", type=int, default=VideoSettings().batch)
    add("--frames", type=int, default=240)
    add("--memory-frames", type=int, default=0, metavar="N", help="0: do not watch the memory")
    return parser.parse_args()


def write_720p(source: Path, target: Path, *, count: int) -> None:
    """Write so many frames of a clip, forth and back, scaled to 1280x720."""
    with VideoReader(source) as reader:
        images = [np.asarray(cv2.resize(f.image_rgb, SIZE_WH), np.uint8) for f in reader]
    there_and_back = [*images, *images[-2:0:-1]]
    with VideoWriter(target, size_wh=SIZE_WH, fps=FPS) as writer:
        for index in range(count):
            image = there_and_back[index % len(there_and_back)]
            writer.write(Frame(index, index / FPS, image))


def all_stages(pipeline: Pipeline, settings: VideoSettings, writer: VideoWriter) -> list[Stage]:
    """Give the stages after decoding."""

    def draw(done: FramePoses) -> Frame:
        image = draw_overlay(done.frame.image_rgb, done.poses)
        return Frame(done.frame.index, done.frame.time_s, image)

    drawing = [Stage("draw", each(draw)), Stage("encode", each(writer.write))]
    return [*pipeline.video_stages(settings), *drawing]


def time_alone(clip: Path, pipeline: Pipeline, settings: VideoSettings) -> list[Alone]:
    """Time each stage on all frames, held in memory between two of them."""
    target = clip.with_name("alone.mp4")
    with (
        VideoReader(clip) as reader,
        VideoWriter(target, size_wh=SIZE_WH, fps=FPS) as writer,
    ):
        items: Sequence[Any] = [reader]  # Any: what passes differs from stage to stage
        stages = [Stage("decode", lambda readers: iter(next(readers)))]
        times = []
        for stage in [*stages, *all_stages(pipeline, settings, writer)]:
            start, processor_start = perf_counter(), process_time()
            items = list(stage.work(iter(items)))
            times.append((stage.name, perf_counter() - start, process_time() - processor_start))
    return [Alone(*row) for row in times]


def time_together(clip: Path, pipeline: Pipeline, settings: VideoSettings) -> float:
    """Give the seconds that the whole video takes with all stages at work."""
    target = clip.with_name("together.mp4")
    start = perf_counter()
    with (
        VideoReader(clip) as reader,
        VideoWriter(target, size_wh=SIZE_WH, fps=FPS) as writer,
        Stages(
            reader, all_stages(pipeline, settings, writer), queue_size=settings.queue_size
        ) as run,
    ):
        for _ in run:
            pass
    return perf_counter() - start


def print_speed(
    alone: Sequence[Alone], together_s: Sequence[float], arguments: argparse.Namespace
) -> None:
    """Print a row a stage, the whole, and what it reaches of the slowest stage."""
    count, threads = arguments.frames, arguments.threads
    print(
        f"{count} frames, {arguments.model} on {threads} threads, detector {arguments.detector}\n"
    )
    print("| stage | frames/s alone | processors busy |\n| --- | --: | --: |")
    for stage in alone:
        rate, busy = count / stage.seconds, stage.processor_s / stage.seconds
        print(f"| {stage.name} | {rate:.1f} | {busy:.2f} |")
    best_s, slowest_s = min(together_s), max(stage.seconds for stage in alone)
    needed, there = sum(stage.processor_s for stage in alone) / slowest_s, os.cpu_count() or 1
    runs = ", ".join(f"{count / seconds:.1f}" for seconds in together_s)
    print(f"| all together, best of {runs} | {count / best_s:.1f} | |")
    share = slowest_s / best_s
    limit = (
        f"to work side by side as fast as alone the stages need {needed:.2f} processors, and there "
        f"are {there}: {100 * min(there / needed, 1):.0f} % at most"
    )
    name = "a 720p video of one person, of the frames/s of its slowest stage alone"
    print_goals([Goal(name, "95 % or more", f"{100 * share:.0f} %", share >= 0.95, limit)])


def print_memory(clip: Path, pipeline: Pipeline, *, settings: VideoSettings, count: int) -> None:
    """Print the resident memory as frames go through, the clip again and again."""
    print("\n| frames | resident, MiB |\n| --: | --: |")
    step = max(count // 10, 1)
    for number, _ in enumerate(pipeline.video(_again_and_again(clip, count), settings=settings), 1):
        if number % step == 0:
            print(f"| {number} | {_resident_mib():.1f} |", flush=True)


def _again_and_again(clip: Path, count: int) -> Iterator[Frame]:
    index = 0
    while index < count:
        with VideoReader(clip) as reader:
            for frame in islice(reader, count - index):
                yield Frame(index, index / FPS, frame.image_rgb)
                index += 1


def _resident_mib() -> float:
    statm = Path("/proc/self/statm")
    if not statm.is_file():
        sys.exit("the memory can be watched on Linux alone")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
