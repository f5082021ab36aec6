"""Records of judges with given verdicts."""

from __future__ import annotations

from typing import Any

from latentpath.paper.claims.verdicts import Claim, above
from latentpath.paper.judges.records import panel_version
from latentpath.paper.results import LINE, PATH
from latentpath.paper.statistics import Estimate

SAID = {"holds": Estimate(1, 0.5, 2, n=9), "does not hold": Estimate(-1, -2, -0.5, n=9),
        "not decided": Estimate(0, -1, 1, n=9)}  # fmt: skip
NEEDS = {"entropy": ["classifier"], "pixels": ["real images"], "features": ["real images", "feature network"],
         "discriminator": ["discriminator"], "smoothness": []}  # fmt: skip


def row(name: str, verdict: str, kinds: tuple[str, ...], values: dict[str, list[float]] | None = None) -> Any:
    claims = {kind: Claim("", SAID[verdict], above(0)).to_dict() for kind in kinds}
    return {
        "name": name, "title": f"the {name}", "unit": "u", "higher_is_better": True,
        "independent": name != "discriminator", "needs": NEEDS[name], "ends": None if name == "smoothness" else 0.2,
        "estimates": {kind: Estimate(0.3, 0.25, 0.35, n=9).to_dict() for kind in kinds},
        "than_line": {kind: claims[kind] for kind in kinds if kind != LINE},
        "than_path": {kind: claims[kind] for kind in kinds if kind != PATH}, "values": values,
    }  # fmt: skip


def facts(verdicts: dict[str, str], kinds: tuple[str, ...] = (LINE, PATH), values: Any = None, pairs: int = 9) -> Any:
    rows = [row(name, verdict, kinds, values) for name, verdict in verdicts.items()]
    return {"pairs": pairs, "frames": 4, "real": 0, "kinds": list(kinds), "own": False,
            "panel": panel_version(), "rows": rows, "missing": []}  # fmt: skip
