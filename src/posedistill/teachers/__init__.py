"""Teachers: held networks, never part of what trains."""

from posedistill.teachers.fitted import Fitted, Joined
from posedistill.teachers.frozen import Frozen, last_channels
from posedistill.teachers.onnx_teacher import OnnxTeacher
from posedistill.teachers.opening import open_teacher
from posedistill.teachers.remembered import Remembered
from posedistill.teachers.rows import RowStore
from posedistill.teachers.teacher import Answer, Teacher

__all__ = [
    "Answer",
    "Fitted",
    "Frozen",
    "Joined",
    "OnnxTeacher",
    "Remembered",
    "RowStore",
    "Teacher",
    "last_channels",
    "open_teacher",
]
