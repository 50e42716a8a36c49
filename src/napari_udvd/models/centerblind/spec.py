"""What the centre-blind network is, and its options."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from napari_udvd.models.spec import (
    Facts,
    NetworkSettings,
    NetworkSpec,
    Paper,
    Recipe,
    Unfit,
)

__all__ = ["SPARSE", "SPEC", "CenterBlindSettings", "SparseSettings"]


Size = Annotated[
    Literal["small", "light", "medium", "large"],
    Field(
        title="Size",
        description="smaller is faster, larger needs longer: size of centerblind",
        json_schema_extra={"after": "model"},
    ),
]


class CenterBlindSettings(NetworkSettings):
    """Options of the centre-blind network."""

    preset: Size = "light"

    def arguments(self, facts: Facts) -> dict[str, Any]:
        """Return preset, and how many neighbours must not show the hole."""
        # noise that lives on in the next frame must not be seen there; a movie of
        # three frames has no others, and the user is warned
        hidden = int(facts.n_frames > 3 and facts.lingers)
        return {"preset": self.preset, "hidden": hidden}

    def unfit(self, facts: Facts) -> Unfit | None:
        """Refuse clips of several output frames."""
        if (facts.targets or 1) == 1:
            return None
        # neighbouring targets would be seen as neighbours at the ends of the movie
        return Unfit(
            f"targets is {facts.targets}; the centre-blind network takes one per clip: "
            "choose a larger batch instead",
            "several targets per clip were asked for",
        )


SPEC = NetworkSpec(
    name="centerblind",
    title="Fast (centre-blind)",
    network="napari_udvd.models.centerblind.network:CenterBlind",
    summary="is fast, and starts from weights that are shipped",
    settings=CenterBlindSettings,
    # output frames of a clip have nothing to share
    recipe=Recipe(batch=8, targets=1, fewest=1, rate=3e-3, warm_rate=3e-3),
    automatic=True,
    strength="it was better than UDVD after the same time in the benchmarks",
    weights="centerblind-{preset}.safetensors",
    papers=(
        Paper(
            "Sheth et al., Unsupervised Deep Video Denoising, ICCV 2021",
            "https://arxiv.org/abs/2011.15045",
        ),
        Paper(
            "Wu et al., Unpaired Learning of Deep Image Denoising, ECCV 2020",
            "https://arxiv.org/abs/2008.13711",
        ),
    ),
)


class SparseSettings(CenterBlindSettings):
    """Options of the network for sparse scans.

    Its weights are of another size.
    """

    preset: Size = "medium"

    def arguments(self, facts: Facts) -> dict[str, Any]:
        """Return those of the network, and what suits the movie to average over."""
        found = super().arguments(facts)
        return found if facts.widths is None else {**found, "widths": facts.widths}


SPARSE = replace(
    SPEC,
    name="centerblind-sparse",
    title="Fast for sparse scans",
    network="napari_udvd.models.centerblind.sparse:SparseCenterBlind",
    summary="fills what was not measured, and starts from weights that are shipped",
    tasks=("reconstruct",),
    settings=SparseSettings,
    weights="centerblind-sparse-{preset}.safetensors",
    strength="it learns from the measured pixels of the movie itself",
)
