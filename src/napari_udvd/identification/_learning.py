"""Both kinds of networks, by what their catalogue says: learn, and say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from napari_udvd.identification import _frames, _sequences
from napari_udvd.identification._grammar import Grammar
from napari_udvd.models import build_labeller, find_labeller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_udvd.identification._examples import Example, Floats
    from napari_udvd.models.labellers import Labeller

__all__ = ["Learned", "learn", "steps_of"]


class _Way(NamedTuple):
    """How a kind of network learns, in how many steps, and what it says of frames."""

    learn: Callable[..., None]
    steps: int
    say: Callable[[Any, Floats], npt.NDArray[np.float64]]


_WAYS = {
    "frames": _Way(_frames.learn_frames, _frames.STEPS, _frames.say_frames),
    "sequence": _Way(
        _sequences.learn_sequences, _sequences.STEPS, _sequences.say_sequences
    ),
}


class Learned(NamedTuple):
    """What was learned from labels.

    Attributes
    ----------
    name
        Of the network, in its catalogue.
    net
        The network itself.
    grammar
        What may follow what.
    """

    name: str
    net: Labeller
    grammar: Grammar

    def log_probabilities(self, features: Floats) -> npt.NDArray[np.float64]:
        """Return what the network says of each frame by itself: ``(T, K)``."""
        return _WAYS[find_labeller(self.name).kind].say(self.net, features)


def steps_of(name: str) -> int:
    """Return the steps of a training where nothing else is asked for."""
    return _WAYS[find_labeller(name).kind].steps


def learn(
    name: str,
    examples: Sequence[Example],
    n_labels: int,
    steps: Iterable[float],
    seed: int,
) -> Learned:
    """Train a new network, and count the grammar.

    Parameters
    ----------
    name
        Of the network.
    examples
        Regions with labels.
    n_labels
        Labels that there are.
    steps
        Yields the share of the training that is over, before each step.
    seed
        Of all that is drawn.
    """
    with torch.random.fork_rng(devices=[]):  # of the layers, and of dropout
        torch.manual_seed(seed)
        net = build_labeller(name, examples[0].features.shape[1], n_labels)
        chance = torch.Generator().manual_seed(seed)
        way = _WAYS[find_labeller(name).kind]
        way.learn(net, examples, n_labels, steps, chance)
    sequences = [example.labels.tolist() for example in examples]
    return Learned(name, net, Grammar.learn(sequences, n_labels))
