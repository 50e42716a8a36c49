"""What a network is, in words and numbers: enough to choose it, not to compute.

Nothing here imports torch, so that the command line's help and the viewer's forms can
be made from it at once. A network is known by its `NetworkSpec` alone: training,
resuming, estimates, the command line and the docks follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_udvd.models.base import Network

__all__ = ["Facts", "NetworkSettings", "NetworkSpec", "Paper", "Recipe", "Unfit"]


class Recipe(NamedTuple):
    """How a network is trained.

    Attributes
    ----------
    batch, targets
        Clips of a step, output frames of a clip.
    fewest
        Output frames of the shortest clip.
    rate
        Peak learning rate of Adam.
    warm_rate
        The same where training starts from shipped weights, which are nearly right.
    """

    batch: int
    targets: int
    fewest: int
    rate: float
    warm_rate: float


class Facts(NamedTuple):
    """What is known of movies and machine when a network is chosen and built.

    Attributes
    ----------
    n_frames
        Frames of the shortest movie.
    source
        What that movie is called.
    channels
        Channels that the network takes at once.
    targets
        Output frames of a clip that were asked for, or None.
    on_cpu
        It will be trained without an accelerator.
    hole
        Rows and columns that the network must not see.
    likelihood
        It shall predict an uncertainty.
    lingers
        The noise of a pixel lives on in the next frame.
    widths
        Standard deviations, px and frames, of the Gaussian that averages what was
        measured best; None where that was not asked.
    """

    n_frames: int
    source: str
    channels: int = 1
    targets: int | None = None
    on_cpu: bool = True
    hole: tuple[int, int] = (1, 1)
    likelihood: bool = True
    lingers: bool = False
    widths: tuple[float, float] | None = None


class Unfit(NamedTuple):
    """Why a network cannot be trained as it was asked for.

    Attributes
    ----------
    message
        For who chose it: the value, what was expected, and what to do.
    reason
        For who let it be chosen: why another one was taken.
    """

    message: str
    reason: str


class Paper(NamedTuple):
    """What to cite for a network.

    Attributes
    ----------
    text
        Authors, title, where and when, in one line.
    url
        Where it is.
    """

    text: str
    url: str


class NetworkSettings(BaseModel):
    """Options that one network has, and others have not; to derive from.

    Each field is an option of the command line, a control of the form and a keyword of
    :func:`napari_udvd.train`. It needs a default and a description; ``title`` is its
    label in forms. In ``json_schema_extra``, ``"expected"`` says what it may be, for
    messages, ``"format": "path"`` that it names a file, and ``"after"`` which setting
    it is listed after. A description may end with what None stands for: ``"; what suits
    if None"``. The names of settings that every training has are taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def arguments(self, facts: Facts) -> dict[str, Any]:
        """Return the arguments of the network that these options decide.

        They are added to ``channels``, ``hole`` and ``likelihood``, those of the
        variant and those of the size.
        """
        return self.model_dump(exclude_none=True)

    @classmethod
    def as_built(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that a network built from `arguments` can tell."""
        return {name: arguments[name] for name in cls.model_fields if name in arguments}

    def least_frames(self, fixed: Mapping[str, Any]) -> int:
        """Return how many frames the network looks at.

        Parameters
        ----------
        fixed
            Arguments of the variant, see :attr:`NetworkSpec.variants`.
        """
        return 1

    def unfit(self, facts: Facts) -> Unfit | None:
        """Say why the network cannot be trained so; None if it can.

        The pixels have not been looked at: hole and noise are not known yet.
        """
        return None

    def warnings(self, facts: Facts) -> tuple[str, ...]:
        """Return what breaks the assumptions of the network, one sentence each."""
        return ()

    @property
    def published_flow(self) -> str | None:
        """Path of a published checkpoint that its optical flow begins with."""
        return None


@dataclass(frozen=True)
class NetworkSpec:
    """All that anybody needs to know of a network without importing it.

    Attributes
    ----------
    name
        What model files, settings and the command line call it.
    title
        What users call it.
    network
        ``"module:Class"``, a :class:`~napari_udvd.models.Network` with this ``name``
        and ``title`` that takes ``channels``, ``hole`` and ``likelihood``; imported
        on use.
    summary
        One line for help, of which its name is the subject: ``"is fast"``.
    settings
        Its own options.
    recipe
        How it is trained.
    tasks
        What it can be asked to do.
    sizes
        Arguments of the size that one gets without asking, by ``"cpu"`` and
        ``"gpu"``.
    variants
        Names that a user may give, the best first, and the arguments that each fixes.
        Its own name may be one of them, and is the first if it is not.
    automatic
        It may be chosen where the user leaves the choice open.
    strength
        What speaks for it, as the reason of such a choice.
    weights
        File name of shipped weights that its training starts from, with arguments of
        the network in braces; in the folder ``weights`` of its package.
    published
        Module that recognises and converts published checkpoints, see
        :mod:`napari_udvd.models.published`.
    companion
        ``"module:Class"`` of what learns beside it: its optical flow.
    papers
        What to cite for it.
    """

    name: str
    title: str
    network: str
    summary: str
    settings: type[NetworkSettings]
    recipe: Recipe
    tasks: tuple[str, ...] = ("denoise",)
    sizes: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: MappingProxyType({"cpu": {}, "gpu": {}})
    )
    variants: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    automatic: bool = False
    strength: str = ""
    weights: str | None = None
    published: str | None = None
    companion: str | None = None
    papers: tuple[Paper, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What a user may call it, the best variant first."""
        if self.name in self.variants:
            return tuple(self.variants)
        return (self.name, *self.variants)

    def load(self) -> type[Network]:
        """Import the network's class.

        Raises
        ------
        InputError
            If it cannot be imported.
        """
        try:
            loaded: type[Network] = resolve_name(self.network)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"the network {self.name!r} cannot be imported: {error}"
            ) from error
        return loaded

    def variant_of(self, arguments: Mapping[str, Any]) -> str:
        """Return what a user calls the network that these arguments build."""
        return next(
            (
                name
                for name, fixed in self.variants.items()
                if all(arguments.get(key) == value for key, value in fixed.items())
            ),
            self.name,
        )

    def arguments(
        self, name: str, settings: NetworkSettings, facts: Facts
    ) -> dict[str, Any]:
        """Return the arguments that build the network for a training.

        Parameters
        ----------
        name
            One of :attr:`names`.
        settings
            Its options.
        facts
            What is known of the movies.
        """
        common = {
            "channels": facts.channels,
            "hole": facts.hole,
            "likelihood": facts.likelihood,
        }
        size = self.sizes["cpu" if facts.on_cpu else "gpu"]
        fixed = self.variants.get(name, {})
        return common | dict(fixed) | dict(size) | settings.arguments(facts)

    def unfit(self, name: str, settings: NetworkSettings, facts: Facts) -> Unfit | None:
        """Say why the network cannot be trained on these movies; None if it can.

        Parameters
        ----------
        name, settings, facts
            As for :meth:`arguments`.
        """
        frames = {
            other: settings.least_frames(self.variants.get(other, {}))
            for other in self.names
        }
        if facts.n_frames >= frames[name]:
            return settings.unfit(facts)
        fitting = [other for other in frames if facts.n_frames >= frames[other]]
        remedy = f"{fitting[0]} fits" if fitting else "choose another network"
        return Unfit(
            f"{facts.source!r} has {facts.n_frames} frames and the model {name} looks "
            f"at {frames[name]}; {remedy}",
            f"{name} looks at {frames[name]} frames",
        )
