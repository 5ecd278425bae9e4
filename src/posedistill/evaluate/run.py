"""Run: predict a whole annotated data set with a session, then score what was predicted."""

from itertools import groupby
from pathlib import Path

import numpy as np

from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.wholebody import read_wholebody
from posedistill.evaluate.oks import require_faster_coco_eval
from posedistill.evaluate.predictions import Prediction, predictions_of, write_predictions
from posedistill.evaluate.report import Report, score
from posedistill.evaluate.truth import read_truth
from posedistill.runtime.estimator import Estimator
from posedistill.runtime.session import Session


def evaluate(
    session: Session,
    *,
    annotations: Path,
    images_dir: Path,
    out: Path | None,
    flip_test: bool = False,
    progress: bool = True,
) -> Report:
    """Predict all labelled persons in their labelled boxes, and score the predictions.

    annotations: a COCO-WholeBody file; images_dir: what its file names are relative to; out: the
    prediction file to write, from which `score_file` gives the same report.
    Raises ValueError for a session of other than 133 keypoints, ImportError without
    faster-coco-eval, and what the reader of the data set raises, all before the first prediction.

    >>> evaluate(  # doctest: +SKIP
    ...     session, annotations=Path("val.json"), images_dir=Path("images"), out=None
    ... ).as_dict()["body/AP"]
    """
    require_faster_coco_eval()
    truth = read_truth(annotations)
    dataset = read_wholebody(annotations, images_dir)
    if session.spec.skeleton != dataset.skeleton.name:
        raise ValueError(
            f"the model gives {session.spec.skeleton}, expected {dataset.skeleton.name}; "
            "only whole-body models can be scored with these annotations"
        )
    estimator = Estimator(session, flip_test=flip_test)
    predictions = predict_dataset(estimator, dataset, progress=progress)
    if out is not None:
        write_predictions(out, predictions)
    return score(predictions, truth)


def predict_dataset(
    estimator: Estimator, dataset: PoseDataset, *, progress: bool = True
) -> list[Prediction]:
    """Predict all persons of a data set in their labelled boxes, each with box score 1.

    The predictions are ordered by image, then as the instances are.

    >>> predict_dataset(estimator, dataset)[0].keypoints.shape  # doctest: +SKIP
    (133, 2)
    """
    from tqdm import tqdm

    instances = sorted(dataset.instances, key=lambda instance: instance.image_id)
    predictions: list[Prediction] = []
    with tqdm(total=len(instances), unit="person", disable=not progress) as bar:
        for image_id, people in groupby(instances, key=lambda instance: instance.image_id):
            boxes_xyxy = np.stack([person.box_xyxy for person in people])
            poses = estimator(dataset.image(image_id), boxes_xyxy)
            predictions += predictions_of(poses, image_id)
            bar.update(len(boxes_xyxy))
    return predictions
