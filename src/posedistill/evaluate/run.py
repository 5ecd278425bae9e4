"""Run: predict a whole annotated data set with a session, then score what was predicted."""

from collections.abc import Sequence
from pathlib import Path

from posedistill.datasets.coco import read_coco, require_images
from posedistill.datasets.instance import PoseDataset
from posedistill.datasets.mpii import read_mpii
from posedistill.datasets.wholebody import read_wholebody
from posedistill.evaluate.boxes import ImageBoxes, annotated_boxes, read_boxes
from posedistill.evaluate.oks import require_faster_coco_eval
from posedistill.evaluate.predictions import Prediction, predictions_of, write_predictions
from posedistill.evaluate.report import Report, score
from posedistill.evaluate.truth import read_truth
from posedistill.runtime.estimator import Estimator
from posedistill.runtime.session import Session

READERS = {"wholebody133": read_wholebody, "coco17": read_coco, "mpii16": read_mpii}


def evaluate(  # house rule: what defines a score is named at one place
    session: Session,
    *,
    annotations: Path,
    images_dir: Path,
    out: Path | None,
    boxes: Path | None = None,
    flip_test: bool = False,
    progress: bool = True,
) -> Report:
    """Predict the persons of a data set in given boxes, and score the predictions.

    annotations: a COCO-WholeBody file, a COCO file for sessions of 17 keypoints, or a file of
    MPII, such as ``valid.json`` with ``gt_valid.mat`` beside it, for those of 16; images_dir:
    what its file names are relative to; out: the prediction file to write, from which
    `score_file` gives the same report; boxes: None for the annotated boxes of the labelled
    persons, or a detection file, see `read_boxes`, whose scores then count in the ranking; MPII
    is scored in the annotated boxes alone, as published.
    Raises ValueError for a session of other keypoints, ImportError without faster-coco-eval (for
    MPII: without scipy), and what the readers of the files raise, all before the first prediction.

    >>> evaluate(  # doctest: +SKIP
    ...     session, annotations=Path("val.json"), images_dir=Path("images"), out=None
    ... ).as_dict()["body/AP"]
    """
    skeleton = session.spec.skeleton
    _check(skeleton, boxes)
    truth = read_truth(annotations, skeleton=skeleton)
    dataset = READERS[skeleton](annotations, images_dir)
    if boxes is None:
        places = annotated_boxes(dataset)
    else:
        places = read_boxes(boxes, image_ids=truth.all_image_ids)
        require_images((dataset.image_paths[place.image_id] for place in places), annotations)
    estimator = Estimator(session, flip_test=flip_test)
    predictions = predict_dataset(estimator, dataset, boxes=places, progress=progress)
    if out is not None:
        write_predictions(out, predictions)
    return score(predictions, truth)


def _check(skeleton: str, boxes: Path | None) -> None:
    if skeleton not in READERS:
        raise ValueError(
            f"the model gives {skeleton}; only models of {', '.join(READERS)} can be scored"
        )
    if skeleton != "mpii16":
        require_faster_coco_eval()
    elif boxes is not None:
        raise ValueError(
            f"MPII is scored in its own boxes, made of centre and scale, not in those of {boxes}; "
            "leave them out (on the command line: --boxes gt)"
        )


def predict_dataset(
    estimator: Estimator,
    dataset: PoseDataset,
    *,
    boxes: Sequence[ImageBoxes],
    progress: bool = True,
) -> list[Prediction]:
    """Predict the persons in boxes on images of a data set, in the order of the boxes.

    >>> predict_dataset(  # doctest: +SKIP
    ...     estimator, dataset, boxes=annotated_boxes(dataset)
    ... )[0].keypoints.shape
    (133, 2)
    """
    from tqdm import tqdm

    total = sum(len(place.boxes_xyxy) for place in boxes)
    predictions: list[Prediction] = []
    with tqdm(total=total, unit="person", disable=not progress) as bar:
        for place in boxes:
            image = dataset.image(place.image_id)
            poses = estimator(image, place.boxes_xyxy, place.scores)
            predictions += predictions_of(poses, place.image_id)
            bar.update(len(poses))
    return predictions
