"""Numbers and lists of things in words."""

from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun, in the singular for 1.

    Example:
        >>> counted(1, "pair"), counted(16, "segment"), counted(5_000, "image")
        ('1 pair', '16 segments', '5,000 images')
    """
    return f"{number:,} {plural(number, noun)}"


def plural(number: float, noun: str) -> str:
    """Returns the noun as it stands after ``number``.

    Example:
        >>> plural(1, "path"), plural(0, "path"), plural(1.5, "evaluation")
        ('path', 'paths', 'evaluations')
    """
    return noun if number == 1 else f"{noun}s"


def listed(words: Sequence[str]) -> str:
    """Returns the words as a list in a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
