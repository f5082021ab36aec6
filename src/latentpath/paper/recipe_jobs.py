"""The job "recommended": the path by a model's recommended recipe, between the same endpoints as the paper's."""

from typing import Any

import torch
from torch import Tensor

from ..interpolate import interpolate
from ..models import Model
from .config import Config
from .jobs import ReportShare


def recommended(model: Model, start: Tensor, end: Tensor, config: Config, report: ReportShare) -> dict[str, Tensor]:
    """The path by the model's recipe between ``start`` and ``end`` ``(B, D)``; its length is in the data."""
    options: dict[str, Any] = {"segments": config.segments, "tol": config.tol, "progress": False}
    path = interpolate(model, start, end, method="recommended", **options)
    report(1.0)
    return {
        "latents": path.latents,
        "length": path.length,
        "evaluations": path.evaluations,
        "outcome": torch.tensor([outcome.code for outcome in path.outcome]),
    }
