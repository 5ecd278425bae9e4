"""What `posedistill data check` does: look through annotations and images, write a page."""

import json
from pathlib import Path

from posedistill.datasets.check import KINDS, Findings, check_data
from posedistill.datasets.check_page import write_page
from posedistill.media import write_whole

PAGE, LIST = "check.html", "findings.json"


def check(
    annotations: Path, images_dir: Path, *, out: Path, decode: bool = False, pictures: int = 12
) -> int:
    """Check labels and images, write page and list below `out`, print a summary.

    Gives the exit code: 1 when there are errors, 0 when there are none, warnings or not.
    Raises FileNotFoundError and ValueError for files that cannot be checked at all.

    >>> check(Path("none.json"), Path("images"), out=Path("page"))
    Traceback (most recent call last):
    FileNotFoundError: no such folder of images: images
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out} is a file; expected a folder")
    if pictures < 0:
        raise ValueError(f"--pictures is {pictures}; expected 0 or more")
    if not images_dir.is_dir():
        raise FileNotFoundError(f"no such folder of images: {images_dir}")
    findings = check_data(annotations, images_dir, decode=decode)
    out.mkdir(parents=True, exist_ok=True)
    write_page(findings, out / PAGE, pictures=pictures)
    write_whole(out / LIST, _to_json(findings).encode())
    print(_table(findings))
    print(f"\npage: {out / PAGE}, every finding: {out / LIST}")
    return 1 if findings.num_errors else 0


def _to_json(findings: Findings) -> str:
    rows = []
    for finding in findings.found:
        row: dict[str, object] = {"kind": finding.kind, "text": finding.text}
        row["error"] = KINDS[finding.kind].is_error
        if finding.person is not None:
            row["annotation_id"] = finding.person.annotation_id
            row["image_id"] = finding.person.image.image_id
            row["image"] = str(finding.person.image.path)
        rows.append(row)
    return json.dumps(rows, indent=1)


def _table(findings: Findings) -> str:
    counts = f"{len(findings.people)} people in {findings.num_images} images"
    lines = [f"{findings.annotations}: {counts}, {findings.skeleton.name}"]
    for kind, (title, _, is_error) in KINDS.items():
        count = len(findings.of(kind))
        if count:
            lines.append(f"{'error' if is_error else 'warning':8}{count:7}  {title}")
    return "\n".join(lines if findings.found else [*lines, "nothing was found"])
