"""Symmetric, positive definite, block-tridiagonal systems, batched: block cyclic reduction.

Each stage eliminates every other remaining block row at once (Heller 1976, "Some aspects of the cyclic reduction
algorithm for block tridiagonal linear systems"): ``log2(n)`` stages of batched products, without a loop over the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["BlockTridiagonal"]


@dataclass
class _Stage:
    """One elimination of every other block.

    Attributes:
        inverse: the inverses of the even blocks, ``(b, ceil(n/2), r, r)``.
        ahead: ``inverse`` times the coupling to the next odd blocks, ``(b, floor(n/2), r, r)``.
        behind: ``inverse`` times the coupling to the previous odd blocks, ``(b, ceil(n/2) - 1, r, r)``.
    """

    inverse: Tensor
    ahead: Tensor
    behind: Tensor


@dataclass
class BlockTridiagonal:
    """The factors of ``b`` matrices of ``n`` by ``n`` blocks of ``r`` by ``r``; `put` replaces some in place.

    Attributes:
        stages: the eliminations, the first one first.
        last: the inverse of the last remaining block, ``(b, 1, r, r)``.
    """

    stages: tuple[_Stage, ...]
    last: Tensor

    @classmethod
    def factor(cls, diagonal: Tensor, upper: Tensor, dtype: torch.dtype) -> BlockTridiagonal:
        """Factorises blocks ``(b, n, r, r)`` on the diagonal and ``(b, n-1, r, r)`` above it; stores ``dtype``."""
        stages = []
        while (count := diagonal.shape[1]) > 1:
            odds = count // 2
            inverse = _inverse(diagonal[:, ::2])
            left, right = upper[:, ::2], upper[:, 1::2]
            ahead, behind = _times(inverse[:, :odds], left), _times(inverse[:, 1:], right.mT)
            diagonal = diagonal[:, 1::2] - _times(left.mT, ahead)
            diagonal[:, : right.shape[1]] -= _times(right, behind)
            upper = -_times(behind[:, : odds - 1].mT, left[:, 1:])
            stages.append(_Stage(inverse.to(dtype), ahead.to(dtype), behind.to(dtype)))
        return cls(tuple(stages), _inverse(diagonal).to(dtype))

    def solve(self, right: Tensor) -> Tensor:
        """Computes the inverse times ``right`` ``(b, n, r, columns)``."""
        evens = []
        for stage in self.stages:
            even, odd = right[:, ::2], right[:, 1::2]
            evens.append(even)
            right = odd - _times(stage.ahead.mT, even[:, : odd.shape[1]])
            right[:, : stage.behind.shape[1]] -= _times(stage.behind.mT, even[:, 1:])
        solution = _times(self.last, right)
        for stage, even in zip(reversed(self.stages), reversed(evens), strict=True):
            odd, filled = solution, _times(stage.inverse, even)
            filled[:, : odd.shape[1]] -= _times(stage.ahead, odd)
            filled[:, 1:] -= _times(stage.behind, odd[:, : stage.behind.shape[1]])
            solution = right.new_empty(even.shape[0], even.shape[1] + odd.shape[1], *even.shape[2:])
            solution[:, ::2], solution[:, 1::2] = filled, odd
        return solution

    @classmethod
    def cat(cls, batches: Sequence[BlockTridiagonal]) -> BlockTridiagonal:
        """Joins the factors of several batches."""
        stages = [
            _Stage(*(torch.cat([getattr(stage, name) for stage in same]) for name in ("inverse", "ahead", "behind")))
            for same in zip(*(batch.stages for batch in batches), strict=True)
        ]
        return cls(tuple(stages), torch.cat([batch.last for batch in batches]))

    def rows(self, rows: Tensor) -> BlockTridiagonal:
        """Selects matrices of the batch."""
        stages = (_Stage(stage.inverse[rows], stage.ahead[rows], stage.behind[rows]) for stage in self.stages)
        return BlockTridiagonal(tuple(stages), self.last[rows])

    def put(self, rows: Tensor, other: BlockTridiagonal) -> None:
        """Replaces the factors of the matrices ``rows``."""
        for mine, theirs in zip(self.stages, other.stages, strict=True):
            mine.inverse[rows], mine.ahead[rows], mine.behind[rows] = theirs.inverse, theirs.ahead, theirs.behind
        self.last[rows] = other.last


def _times(blocks: Tensor, right: Tensor) -> Tensor:
    """Computes the product of blocks; blocks of one number are multiplied elementwise, which is faster."""
    return blocks * right if blocks.shape[-1] == 1 else blocks @ right


def _inverse(blocks: Tensor) -> Tensor:
    """Computes the inverses of positive definite blocks; the identity for other blocks, which only slows a solver."""
    if blocks.shape[-1] == 1:
        return torch.where(blocks > 0, 1 / blocks, 1)
    factor, failed = torch.linalg.cholesky_ex(blocks)
    eye = torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
    return torch.cholesky_inverse(torch.where(failed[..., None, None] == 0, factor, eye))
