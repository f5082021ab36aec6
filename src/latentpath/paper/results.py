"""The measured curves of one model: every figure and every claim is made from these numbers."""

from dataclasses import dataclass, field

from torch import Tensor

from ..models import Model

LINE, SLERP, PATH, SHORTEST = "straight line", "slerp", "path", "shortest"
OWN = "own samples"  # of the model's prior: the fair ceiling of every judge, and no kind of curve
RECOMMENDED = "recommended"  # by the model's recipe: beyond the paper, for the judges and the claims on methods
KINDS = (LINE, SLERP, PATH, SHORTEST)  # of every pair; "shortest" is shortest in data space
METHODS = {LINE: LINE, SLERP: SLERP, PATH: "the paper's", RECOMMENDED: RECOMMENDED}  # in words, where methods compare


@dataclass(frozen=True, eq=False)
class ModelResult:
    """Curves of every kind between the same ``B`` pairs of endpoints, and their measurements, all on the CPU."""

    name: str
    model: Model
    alpha: float  # the scale of the index, in (0, 1]
    curves: dict[str, Tensor]  # by kind, latents ``(B, K+1, D)``; ``K = 51`` has the paper's 50 midpoints
    ri: dict[str, Tensor]  # by kind, the realism index at every point, ``(B, K+1)``, in [0, 1] (without alpha)
    # by kind, the distance of consecutive decoded points, ``(B, K)``, in units of the data space
    steps: dict[str, Tensor]
    cost: dict[str, Tensor]  # by kind, audited, ``(B,)``, in units of the data space
    length: dict[str, Tensor]  # by kind, audited length of the decoded curve, ``(B,)``, in units of the data space
    endpoint_source: str = ""  # words that complete "The endpoints are ..."; empty where they are draws of the prior
    # by kind that was solved for, ``outcome``, ``evaluations``, ``tunnels`` and ``gap``, ``(B,)`` each, the last two of
    # equation 3 at ``K`` segments
    solves: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    # of the recommended recipe, ``latents``, ``length`` in the data, ``evaluations`` and ``outcome``; empty without one
    recommended: dict[str, Tensor] = field(default_factory=dict)
