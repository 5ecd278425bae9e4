"""The recipes by name."""

import difflib
from collections.abc import Callable
from functools import partial

from posedistill.recipes import drawn, dwpose, people, rtmpose
from posedistill.train.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    **{f"rtmpose-{size}": partial(rtmpose.rtmpose, size) for size in "tsmlx"},
    **{f"rtmpose-{size}-384": partial(rtmpose.rtmpose, size, (288, 384)) for size in "lx"},
    **{f"pretrain-{size}": partial(rtmpose.pretrain, size) for size in "tsmlx"},
    **{f"dwpose-stage1-{size}": partial(dwpose.stage_one, size) for size in "tsml"},
    **{f"dwpose-stage1-{s}-paper": partial(dwpose.stage_one, s, "paper") for s in "tsml"},
    **{f"dwpose-stage1-{s}-reference": partial(dwpose.stage_one, s, "reference") for s in "tsml"},
    **{f"dwpose-stage2-{size}": partial(dwpose.stage_two, size) for size in "tsml"},
    **{f"dwpose-stage2-{s}-reference": partial(dwpose.stage_two, s, "reference") for s in "tsml"},
    "people-pretrain-t": partial(people.pretrain, "t"),
    "people-pretrain-s": partial(people.pretrain, "s"),
    "people-rtmpose-t": partial(people.supervised, "t"),
    "people-rtmpose-s": partial(people.supervised, "s"),
    "people-stage1-t": people.stage_one,
    "people-stage2-t": people.stage_two,
    "drawn-pretrain-t": partial(drawn.pretrain, "t"),
    "drawn-pretrain-n": partial(drawn.pretrain, "n"),
    "drawn-rtmpose-t": partial(drawn.supervised, "t"),
    "drawn-rtmpose-n": partial(drawn.supervised, "n"),
    "drawn-stage1-n": drawn.stage_one,
    "drawn-stage2-n": drawn.stage_two,
}


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
