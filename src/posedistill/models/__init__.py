"""Models: backbones, heads, their builders and their files."""

from posedistill.models.files import build, load, load_backbone
from posedistill.models.mean import load_mean
from posedistill.models.pose_model import PoseModel, save
from posedistill.models.table import MODELS

__all__ = ["MODELS", "PoseModel", "build", "load", "load_backbone", "load_mean", "save"]
