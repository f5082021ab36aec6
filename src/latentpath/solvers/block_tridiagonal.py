"""Symmetric, positive definite, block-tridiagonal systems, batched: block cyclic reduction.

Every other block row is eliminated at once, then every other one of what is left (Heller 1976, "Some aspects of the
cyclic reduction algorithm for block tridiagonal linear systems"): ``log2(n)`` stages of batched products, no loop over
the rows, and after the factorisation a solve is nothing but products.
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
        inverse: of the even blocks, ``(b, ceil(n/2), r, r)``.
        ahead: that times what couples them to the odd blocks behind them, ``(b, floor(n/2), r, r)``.
        behind: that times what couples them to the odd blocks before them, ``(b, ceil(n/2) - 1, r, r)``.
    """

    inverse: Tensor
    ahead: Tensor
    behind: Tensor


@dataclass
class BlockTridiagonal:
    """The factors of ``b`` matrices of ``n`` by ``n`` blocks of ``r`` by ``r``; `put` replaces some in place.

    Attributes:
        stages: the eliminations, the first one first.
        last: the inverse of the block that is left, ``(b, 1, r, r)``.
    """

    stages: tuple[_Stage, ...]
    last: Tensor

    @classmethod
    def factor(cls, diagonal: Tensor, upper: Tensor, dtype: torch.dtype) -> BlockTridiagonal:
        """From the blocks ``(b, n, r, r)`` on the diagonal and ``(b, n-1, r, r)`` above it; kept in ``dtype``."""
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
        """The inverse times ``right`` ``(b, n, r, columns)``."""
        kept = []
        for stage in self.stages:
            even, odd = right[:, ::2], right[:, 1::2]
            kept.append(even)
            right = odd - _times(stage.ahead.mT, even[:, : odd.shape[1]])
            right[:, : stage.behind.shape[1]] -= _times(stage.behind.mT, even[:, 1:])
        found = _times(self.last, right)
        for stage, even in zip(reversed(self.stages), reversed(kept), strict=True):
            odd, filled = found, _times(stage.inverse, even)
            filled[:, : odd.shape[1]] -= _times(stage.ahead, odd)
            filled[:, 1:] -= _times(stage.behind, odd[:, : stage.behind.shape[1]])
            found = right.new_empty(even.shape[0], even.shape[1] + odd.shape[1], *even.shape[2:])
            found[:, ::2], found[:, 1::2] = filled, odd
        return found

    @classmethod
    def cat(cls, some: Sequence[BlockTridiagonal]) -> BlockTridiagonal:
        """Those of several batches, one after the other."""
        stages = [
            _Stage(
                torch.cat([stage.inverse for stage in same]),
                torch.cat([stage.ahead for stage in same]),
                torch.cat([stage.behind for stage in same]),
            )
            for same in zip(*(one.stages for one in some), strict=True)
        ]
        return cls(tuple(stages), torch.cat([one.last for one in some]))

    def rows(self, rows: Tensor) -> BlockTridiagonal:
        """The factors of some of the matrices."""
        stages = (_Stage(stage.inverse[rows], stage.ahead[rows], stage.behind[rows]) for stage in self.stages)
        return BlockTridiagonal(tuple(stages), self.last[rows])

    def put(self, rows: Tensor, other: BlockTridiagonal) -> None:
        """Replace the factors of some of the matrices."""
        for mine, theirs in zip(self.stages, other.stages, strict=True):
            mine.inverse[rows], mine.ahead[rows], mine.behind[rows] = theirs.inverse, theirs.ahead, theirs.behind
        self.last[rows] = other.last


def _times(blocks: Tensor, right: Tensor) -> Tensor:
    """The product; numbers are no matter for a matrix product."""
    return blocks * right if blocks.shape[-1] == 1 else blocks @ right


def _inverse(blocks: Tensor) -> Tensor:
    """The inverses of positive definite blocks; the identity where a block is not, which only slows a solver."""
    if blocks.shape[-1] == 1:
        return torch.where(blocks > 0, 1 / blocks, 1)
    factor, failed = torch.linalg.cholesky_ex(blocks)
    eye = torch.eye(blocks.shape[-1], dtype=blocks.dtype, device=blocks.device)
    return torch.cholesky_inverse(torch.where(failed[..., None, None] == 0, factor, eye))
