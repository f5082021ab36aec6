"""The settings of a reproduction: its models, how many pairs of each, and every number that its results depend on."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..errors import InputError

DIGITS = ("mnist-dcgan-semicircle", "mnist-dcgan-normal")
WAE = "celeba-wae"
FACES = ("celeba-dcgan-semicircle", "celeba-dcgan-normal", WAE)
MODELS = (*DIGITS, *FACES)  # every model of the paper, in the order in which they are solved
GANS = (*DIGITS, *FACES[:2])
SEMICIRCLE = ("mnist-dcgan-semicircle", "celeba-dcgan-semicircle")
NORMAL = ("mnist-dcgan-normal", "celeba-dcgan-normal")

MODEL_TITLES = {  # in words
    "mnist-dcgan-semicircle": "digits, semicircle prior",
    "mnist-dcgan-normal": "digits, normal prior",
    "celeba-dcgan-semicircle": "faces, semicircle prior",
    "celeba-dcgan-normal": "faces, normal prior",
    WAE: "faces, auto-encoder",
}

SHORT_TITLES = {name: title.removesuffix(" prior").replace(", ", "/") for name, title in MODEL_TITLES.items()}
SHORT_TITLES[WAE] = "the auto-encoder"  # in a list within a sentence

_PAIR_OPTIONS = {"pairs": "pairs of digits (--pairs)", "face_pairs": "pairs of faces (--face-pairs)"}
_MAX_PAIRS = 100_000


@dataclass(frozen=True)
class Config:
    """The settings of a reproduction."""

    pairs: int = 200  # pairs of each model of digits
    face_pairs: int = 48  # pairs of each model of faces, whose frames cost some four times as much
    seed: int = 0  # seeds the endpoints, the judges and the resamples
    segments: int = 51  # ``K`` of every curve; 51 has the paper's 50 midpoints
    alpha: float = 0.9  # the scale of the index
    tol: float = 3e-3  # the relative gain in cost that is not worth more work
    alphas: tuple[float, ...] = (1.0, 0.5, 0.1, 0.01)  # the other scales, tried on ``alpha_pairs``
    alpha_pairs: int = 16  # pairs of digits
    # the ``K`` at which energy and audited cost are compared, on ``resolution_pairs``
    resolutions: tuple[int, ...] = (6, 12, 25, 51, 102)
    resolution_pairs: int = 16  # pairs of digits
    descents: int = 600  # evaluations for gradient descent, the paper's solver, on ``descent_pairs``
    descent_pairs: int = 16  # pairs of digits
    index_pairs: int = 16  # pairs of digits for paths by other indices
    index_evaluations: int = 80  # the most evaluations for a path by another index
    index_samples: int = 5000  # samples of the prior that the other indices are estimated from
    frames: int = 26  # judged frames of each curve, evenly spaced, endpoints included
    # the recommended recipe at every alpha and mu of these, on ``front_pairs`` and with `front_tol`
    front_alphas: tuple[float, ...] = (0.9, 0.98)
    front_mus: tuple[float, ...] = (0.0, 0.3, 0.5, 0.8, 1.0)
    front_pairs: int = 32  # pairs of digits
    front_face_pairs: int = 16  # pairs of faces
    worst_pairs: int = 20  # the most pairs on a contact sheet of the worst, which never has more than half of all

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _PAIR_OPTIONS and not (type(value) is int and 2 <= value <= _MAX_PAIRS):
                option = _PAIR_OPTIONS[field.name]
                raise InputError(f"{option} must be a whole number from 2 to {_MAX_PAIRS:,}, got {value!r}")
            if field.name == "seed" and not (type(value) is int and 0 <= value < 2**31):
                raise InputError(f"seed must be at least 0 and below 2 ** 31, got {value!r}")
            if field.name in ("alpha", "tol") and not 0 < value <= 1:
                raise InputError(f"{field.name} must lie in (0, 1], got {value!r}")
        every_alpha = (*self.alphas, *self.front_alphas)
        if not all(0 <= mu <= 1 for mu in self.front_mus):
            raise InputError(f"every mu of the front must lie in [0, 1], got {self.front_mus}")
        if self.frames < 3 or self.segments < 10 or not all(0 < a <= 1 for a in every_alpha):
            raise InputError("frames must be at least 3, segments at least 10, and every alpha in (0, 1]")

    @classmethod
    def quick(cls, seed: int = 0) -> Config:
        """The settings of ``--quick``: everything in minutes, on too few pairs for most verdicts."""
        return cls(
            pairs=5,
            face_pairs=3,
            seed=seed,
            tol=2e-2,
            alphas=(1.0, 0.01),
            alpha_pairs=3,
            resolutions=(6, 25),
            resolution_pairs=3,
            descents=40,
            descent_pairs=3,
            index_pairs=2,
            index_evaluations=12,
            index_samples=500,
            frames=10,
            front_mus=(0.0, 0.5),
            front_pairs=2,
            front_face_pairs=2,
            worst_pairs=2,
        )

    def pairs_of(self, model: str) -> int:
        """The number of pairs of ``model``."""
        return self.face_pairs if model in FACES else self.pairs

    def front_pairs_of(self, model: str) -> int:
        """The number of pairs of ``model`` that the front of alpha and mu is made of."""
        return min(self.pairs_of(model), self.front_face_pairs if model in FACES else self.front_pairs)

    def worst_pairs_of(self, model: str) -> int:
        """The number of pairs of ``model`` on the contact sheet of the worst."""
        return min(self.worst_pairs, self.pairs_of(model) // 2)

    @property
    def front_tol(self) -> float:
        """``tol`` of the paths of the front, which are many."""
        return max(self.tol, 1e-2)

    @property
    def index_tol(self) -> float:
        """``tol`` of paths by other indices, which are more expensive to solve."""
        return max(self.tol, 1e-2)

    def digit_pairs(self, wanted: int) -> int:
        """``wanted``, or the number of pairs of digits where that is smaller."""
        return min(wanted, self.pairs)
