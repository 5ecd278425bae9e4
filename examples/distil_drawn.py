"""Distil a whole-body student on drawn people: the whole method in minutes, to watch and change.

Run it by `make distil`. It trains a teacher and a student, both on backbones that heatmaps have
trained first, then the student by stage one and by stage two, and exports the last. The figures
are drawn with: the people are, too, and there are few of them.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from posedistill import recipes
from posedistill.datasets.drawn import DrawnPeople
from posedistill.export.onnx import export_onnx
from posedistill.media import write_image
from posedistill.models import load
from posedistill.objectives.supervised import SupervisedConfig
from posedistill.train.compare import (
    compare_runs,
    comparison_table,
    draw_comparison,
    prediction_sheet,
)
from posedistill.train.data import WholeBodyData
from posedistill.train.fit import fit
from posedistill.train.recipe import Recipe


def start_from(recipe: Recipe, backbone: Path) -> Recipe:
    """Give the recipe with the backbone of another run to start from."""
    return replace(recipe, model=replace(recipe.model, backbone_from=str(backbone)))


def taught_by(recipe: Recipe, teacher: Path) -> Recipe:
    """Give the recipe with the model of another run as teacher."""
    assert not isinstance(recipe.objective, SupervisedConfig)
    return replace(recipe, objective=replace(recipe.objective, teacher=str(teacher)))


def draw_people(folder: Path) -> WholeBodyData:
    """Draw the people once, as photos with annotations; a second call finds them there."""
    for part, count in (("train", 448), ("val", 32)):
        if not (folder / part).exists():
            unfinished = folder / f"{part}.partial"
            DrawnPeople(count, seed=count).write(unfinished)
            unfinished.rename(folder / part)
    return WholeBodyData(
        root=str(folder),
        train="train/annotations.json",
        train_images="train/images",
        val="val/annotations.json",
        val_images="val/images",
    )


def distil(out: Path, data: WholeBodyData) -> dict[str, Path]:
    """Train all models; give the run folders to compare by label. A second call resumes."""
    runs = out / "runs"

    def get(name: str) -> Recipe:
        return replace(recipes.get(name), data=data)

    fit(get("drawn-pretrain-t"), runs / "pretrain-t")
    fit(start_from(get("drawn-rtmpose-t"), runs / "pretrain-t"), runs / "teacher")
    fit(get("drawn-pretrain-n"), runs / "pretrain-n")
    fit(start_from(get("drawn-rtmpose-n"), runs / "pretrain-n"), runs / "student")
    stage_one = start_from(get("drawn-stage1-n"), runs / "pretrain-n")
    fit(taught_by(stage_one, runs / "teacher"), runs / "stage1")
    fit(taught_by(get("drawn-stage2-n"), runs / "stage1"), runs / "stage2")
    return {
        "teacher": runs / "teacher",
        "student alone": runs / "student",
        "stage one": runs / "stage1",
        "stage one + two": runs / "stage2",
    }


def main() -> None:
    """Distil, export, and show what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("distil-output"))
    out = parser.parse_args().out
    data = draw_people(out / "people")
    runs = distil(out, data)
    print(export_onnx(load(runs["stage one + two"]), out / "student.onnx"))
    validation = data.validation(out)
    table = comparison_table(compare_runs(runs, validation))
    (out / "table.md").write_text(table + "\n", encoding="utf-8")
    draw_comparison(runs, out / "curves.png")
    write_image(out / "predictions.png", prediction_sheet(runs, validation))
    print(f"\n{table}\n\nIn {out}: student.onnx, table.md, curves.png and predictions.png")


if __name__ == "__main__":
    main()
