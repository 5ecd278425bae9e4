"""The recipes by name, and how to launch them."""

import difflib
from collections.abc import Callable
from functools import partial

from posedistill.recipes import (
    distil,
    drawn,
    dwpose,
    embedded,
    okd_rtmpose,
    okdhp,
    people,
    pruned,
    rtmpose,
)
from posedistill.recipes.dwpose import STUDENTS
from posedistill.train.recipe import Recipe

_BOTH = (False, True)  # COCO-WholeBody alone, and with UBody


def _by_name(*made: Callable[[], Recipe]) -> dict[str, Callable[[], Recipe]]:
    return {make().name: make for make in made}


RECIPES: dict[str, Callable[[], Recipe]] = _by_name(
    *(partial(rtmpose.rtmpose, size, with_ubody=both) for both in _BOTH for size in "tsmlx"),
    *(
        partial(rtmpose.rtmpose, size, rtmpose.LARGE, with_ubody=both)
        for both in _BOTH
        for size in "lx"
    ),
    *(partial(rtmpose.body, size) for size in "tsml"),
    *(partial(rtmpose.joint, size) for size in "tsm"),
    *(partial(rtmpose.halpe, size) for size in "tsm"),
    *(partial(rtmpose.pretrain, size) for size in "tsmlx"),
    *(
        partial(dwpose.stage_one, student, variant, with_ubody=both)
        for both in _BOTH
        for variant in ("default", "paper", "reference")
        for student in STUDENTS
    ),
    *(
        partial(dwpose.stage_two, student, variant, with_ubody=both)
        for both in _BOTH
        for variant in ("default", "reference")
        for student in STUDENTS
    ),
    *(partial(dwpose.body_stage_one, student) for student in "tsm"),
    *(partial(dwpose.body_stage_two, student) for student in "tsml"),
    *(partial(okdhp.mpii, f"hourglass-{stacks}") for stacks in okdhp.STACKS),
    *(partial(okdhp.online_mpii, f"hourglass-{stacks}") for stacks in okdhp.STACKS),
    partial(okdhp.online_mpii, "hourglass-4", "unbalanced"),
    partial(okdhp.online_mpii, "hourglass-4", "reference"),
    *(partial(okdhp.mpii, encoder) for encoder in okdhp.ENCODERS),
    *(partial(okdhp.online_mpii, encoder) for encoder in okdhp.ENCODERS),
    *(
        partial(make, stacks, size)
        for make in (okdhp.coco, okdhp.online_coco)
        for size in (rtmpose.SMALL, rtmpose.LARGE)
        for stacks in okdhp.STACKS
    ),
    *(partial(okd_rtmpose.online_rtmpose, size) for size in okd_rtmpose.SIZES),
    *(partial(okd_rtmpose.online_body, size) for size in okd_rtmpose.SIZES),
    distil.distil,
    pruned.pruned,
    pruned.pruned_body,
    partial(people.pretrain, "t"),
    partial(people.pretrain, "s"),
    partial(people.supervised, "t"),
    partial(people.supervised, "s"),
    people.stage_one,
    people.stage_two,
    embedded.teacher,
    *(
        partial(make, size)
        for size in embedded.STUDENTS
        for make in (embedded.heatmaps, embedded.stage_one, embedded.labels, embedded.stage_two)
    ),
    partial(drawn.pretrain, "t"),
    partial(drawn.pretrain, "n"),
    partial(drawn.supervised, "t"),
    partial(drawn.supervised, "n"),
    drawn.stage_one,
    drawn.stage_two,
    drawn.online_simcc,
    drawn.hourglass,
    drawn.online_hourglass,
)


def get(name: str) -> Recipe:
    """Give a recipe by name.

    Raises ValueError for an unknown name, suggesting the nearest.

    >>> get("rtmpose-m").epochs
    270
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown recipe {name!r}; {hint}`posedistill recipes` lists all")
    return RECIPES[name]()


def launch_lines(name: str) -> list[str]:
    """Give the commands that run a recipe on one process, on 8 GPUs and on two such machines.

    >>> launch_lines("rtmpose-m")[0]
    'posedistill train rtmpose-m --run runs/rtmpose-m'
    """
    command = f"posedistill train {name} --run runs/{name}"
    # Without -- torchrun takes --run for short of an option of its own.
    module = f"-m -- {command}"
    nodes = "--nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500 --nproc-per-node 8"
    return [
        command,
        f"torchrun --standalone --nproc-per-node 8 {module}",
        # Without this torchrun cannot restart over several machines (torch issue 135712).
        f"TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 torchrun {nodes} {module}",
    ]
