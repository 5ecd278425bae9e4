"""DWPose: stage one and stage two, on 133 keypoints or 17 (constants: objectives/dwpose.py).

Which teacher teaches which student, and the scores: the released configurations and README of
DWPose. Where paper and released code differ, `variant` chooses; docs/differences.md tells the
effects.
"""

from dataclasses import replace
from typing import Literal

from posedistill.objectives.dwpose import PAPER_ALPHA, StageOneConfig, StageTwoConfig
from posedistill.objectives.supervised import SupervisedConfig
from posedistill.recipes.rtmpose import LARGE, SMALL, body, rtmpose
from posedistill.train.recipe import Recipe

STUDENTS = {"t": ("t", SMALL), "s": ("s", SMALL), "m": ("m", SMALL), "l": ("l", SMALL)} | {
    "l-384": ("l", LARGE)
}
Variant = Literal["default", "paper", "reference"]
_TEACHERS = {"t": "rtmpose-l", "s": "rtmpose-l", "m": "rtmpose-l", "l": "rtmpose-x"}
_TEACHERS_384 = {"l": "rtmpose-x-384"}
_PUBLISHED_UCOCO = {"t": 48.5, "s": 53.8, "m": 60.6, "l": 63.1, "l-384": 66.5}
_BODY_AFTER_STAGE_ONE = {"t": 68.23, "s": 71.92, "m": 74.66}  # in names of released files


def stage_one(student: str, variant: Variant = "default", *, with_ubody: bool = False) -> Recipe:
    """Give stage one for a student: t, s, m, l or l-384; 270 epochs.

    The teacher is the published one where there is one: RTMPose-l for t, s and m, RTMPose-x for l,
    trained on the same data. It is fetched at the start; `--set teacher=...` takes another.
    variant: ``paper`` takes the paper's alpha, ``reference`` lets the teacher's BatchNorm run in
    train mode as the released code does. Not yet run.

    >>> stage_one("t", with_ubody=True).objective.teacher
    'rtmpose-l-ucoco'
    """
    size, input_size_wh = STUDENTS[student]
    recipe = rtmpose(size, input_size_wh, with_ubody=with_ubody)
    assert isinstance(recipe.objective, SupervisedConfig)
    objective = _variant(variant, _teacher(student, with_ubody), recipe.objective)
    return replace(
        recipe,
        name=_name("dwpose-stage1", student, variant=variant, with_ubody=with_ubody),
        objective=objective,
        optim=replace(recipe.optim, clip_norm=1.0),
        expected="not published for stage one alone",
    )


def _teacher(student: str, with_ubody: bool) -> str:
    size, input_size_wh = STUDENTS[student]
    name = _TEACHERS_384[size] if input_size_wh == LARGE else _TEACHERS[size]
    if with_ubody:
        # The published names put the data before the size of the input.
        return f"{name.removesuffix('-384')}-ucoco" + ("-384" if name.endswith("-384") else "")
    # RTMPose-x at 256x192 was not published on COCO-WholeBody alone.
    return "" if name == "rtmpose-x" else name


def _variant(variant: str, teacher: str, supervised: SupervisedConfig) -> StageOneConfig:
    config = StageOneConfig(
        teacher=teacher,
        teacher_batch_statistics=variant == "reference",
        supervised=supervised,
    )
    return replace(config, alpha=PAPER_ALPHA) if variant == "paper" else config


def stage_two(
    student: str,
    variant: Literal["default", "reference"] = "default",
    *,
    with_ubody: bool = False,
) -> Recipe:
    """Give stage two: the head of a stage-one student again, in 60 epochs.

    `--set teacher=RUN` names the run of stage one. The schedule is scaled to these 60 epochs. The
    reference keeps that of 270, so that its learning rate never falls and its late augmentation
    never comes; ``reference`` does the same, and lets the frozen BatchNorm run in train mode as
    there. Not yet run.

    >>> stage_two("t").epochs
    60
    """
    recipe = stage_one(student, with_ubody=with_ubody)
    score = _PUBLISHED_UCOCO[student] if with_ubody else None
    return _second(
        replace(
            recipe,
            name=_name("dwpose-stage2", student, variant=variant, with_ubody=with_ubody),
            epochs=60,
            late_epochs=7,
            expected="not published" if score is None else f"{score} whole AP",
        ),
        is_reference=variant == "reference",
    )


def _second(recipe: Recipe, *, is_reference: bool) -> Recipe:
    recipe = replace(recipe, objective=StageTwoConfig(teacher_batch_statistics=is_reference))
    if not is_reference:
        return recipe
    return replace(recipe, optim=replace(recipe.optim, flat_fraction=1.0), late_epochs=0)


def body_stage_one(student: str) -> Recipe:
    """Give stage one on COCO's 17 body keypoints: RTMPose-l teaches t, s or m; 420 epochs.

    Not yet run.

    >>> body_stage_one("s").objective.teacher
    'rtmpose-l-body'
    """
    recipe = body(student)
    assert isinstance(recipe.objective, SupervisedConfig)
    return replace(
        recipe,
        name=f"dwpose-stage1-{student}-body",
        objective=_variant("default", "rtmpose-l-body", recipe.objective),
        optim=replace(recipe.optim, clip_norm=1.0),
        expected=f"{_BODY_AFTER_STAGE_ONE[student]} body AP",
    )


def body_stage_two(student: str) -> Recipe:
    """Give stage two on COCO's 17 body keypoints, of l without a stage one; 80 epochs.

    `--set teacher=RUN` names the run of stage one. Not yet run.

    >>> body_stage_two("l").epochs
    80
    """
    recipe = body(student)
    return _second(
        replace(
            recipe,
            name=f"dwpose-stage2-{student}-body",
            optim=replace(recipe.optim, clip_norm=1.0),
            epochs=80,
            late_epochs=9,
            expected="not published",
        ),
        is_reference=False,
    )


def _name(stage: str, student: str, *, variant: str, with_ubody: bool) -> str:
    words = [stage, student]
    words += ["ucoco"] if with_ubody else []
    words += [variant] if variant != "default" else []
    return "-".join(words)
