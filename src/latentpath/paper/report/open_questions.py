"""What the paper leaves open or has slipped in, and what was done instead."""

from __future__ import annotations

__all__ = ["SETTLED"]

SETTLED = (
    (
        "Equation 3 has |x_{i+1} - x_i| in data space.",
        "The unknowns are latents, and the term is |G(x_{i+1}) - G(x_i)|; `embed=` offers other readings.",
    ),
    (
        "Definition 3 asks for the minimal index.",
        "The index must be maximal, so the cost minimal.",
    ),
    (
        "Alpha is not given.",
        (
            "0.9 here. At 1 the mode of the prior is free of charge, and paths take detours through it; the section "
            "on alpha "
            "shows what the others do."
        ),
    ),
    (
        "The index of a normal prior is approximated (equation 1).",
        "It is exact here: the regularised upper incomplete gamma function of half the squared Mahalanobis distance.",
    ),
    (
        "Step size and number of steps of gradient descent are not given.",
        (
            "Paths are solved by a preconditioned quasi-Newton method from coarse to fine, and audited; the paper's "
            "solver, "
            "with a step that adapts, has a section of its own."
        ),
    ),
    (
        "Nothing checks what lies between the points.",
        (
            "Every segment is subdivided and its cost measured anew; cost and length on this page are audited, "
            "and a path "
            "whose energy hides cost is solved on more finely."
        ),
    ),
    (
        "Endpoints of the semicircle are “from different ends of the distribution”.",
        (
            "Starts are drawn from its first component and ends from its third; with a normal prior both are "
            "independent draws; for the auto-encoder both are encodings of images kept out of training, where there "
            "are enough of them."
        ),
    ),
    (
        "CelebA and MNIST models are not published.",
        (
            "They were trained anew, smaller than the paper's; their cards say how, and how good they are. The "
            "auto-encoder "
            "is narrower than its authors'."
        ),
    ),
    (
        "How realistic the frames are was judged by eye and by the index itself.",
        "Judges that the method never saw have a section of their own.",
    ),
)
"""What was open, and how it was settled."""
