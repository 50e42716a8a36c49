"""Networks that learn from labelled spans, by name; read without torch.

They are no video networks: they see a few numbers for each frame, not the frame, and
say what it is called. So they have no :class:`~napari_udvd.models.spec.NetworkSpec`,
and there are two kinds of them: one labels every frame, the other writes a sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_udvd.errors import InputError

if TYPE_CHECKING:
    from typing import TypeAlias

    from napari_udvd.models.segments import SequenceToSequence, TemporalConvolutions

    FrameLabeller: TypeAlias = TemporalConvolutions
    SequenceLabeller: TypeAlias = SequenceToSequence
    Labeller: TypeAlias = FrameLabeller | SequenceLabeller

__all__ = [
    "LABELLERS",
    "LabellerSpec",
    "build_labeller",
    "find_labeller",
    "labeller_names",
]


@dataclass(frozen=True)
class LabellerSpec:
    """A network to choose.

    Attributes
    ----------
    name
        By which users and files call it.
    title
        What it is, in a few words.
    kind
        ``"frames"`` if it returns log probabilities ``(members, N, T, labels)``;
        ``"sequence"`` if it writes tokens: label k as k + 1, then the end as
        labels + 1.
    """

    name: str
    title: str
    kind: Literal["frames", "sequence"]


LABELLERS = (  # the first is taken where nothing is chosen
    LabellerSpec("tcn", "temporal convolutions, a label for every frame", "frames"),
    LabellerSpec("seq2seq", "encoder, attention and speller: a sequence", "sequence"),
)


def labeller_names() -> list[str]:
    """Return the names that a user may give; the first is the default."""
    return [spec.name for spec in LABELLERS]


def find_labeller(name: str | None = None) -> LabellerSpec:
    """Return the network of a name, or the default.

    Raises
    ------
    InputError
        If there is none.
    """
    for spec in LABELLERS:
        if name in (None, spec.name):
            return spec
    raise InputError(
        f"there is no network {name!r} that learns from labelled spans, only "
        f"{', '.join(labeller_names())}; leave it out for {LABELLERS[0].name}"
    )


def build_labeller(name: str, features: int, labels: int) -> Labeller:
    """Build a new one, of the size that a few labelled spans can teach.

    Parameters
    ----------
    name
        One of :func:`labeller_names`.
    features
        Numbers for each frame.
    labels
        What a frame can be called.

    Raises
    ------
    InputError
        If there is no such network.
    """
    if find_labeller(name).kind == "frames":
        from napari_udvd.models.segments import TemporalConvolutions

        return TemporalConvolutions(features, labels, width=32, members=5)
    from napari_udvd.models.segments import SequenceSettings, SequenceToSequence

    tokens = labels + 2
    return SequenceToSequence(SequenceSettings(features, tokens, frame_classes=labels))
