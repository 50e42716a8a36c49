"""Other programs that denoise movies, run as their authors run them.

Each is a checkout of the user's and an interpreter of its own. The movie goes there as
a TIFF file, the program's own training and inference get the same wall-clock as ours,
and the result is read back; of their code nothing is copied here and nothing is
imported into this process. What runs in theirs is in :mod:`benchmarks.peers.inside`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.careamics import CAREamics
from benchmarks.peers.deepcad_rt import DeepCADRT
from benchmarks.peers.fast import FAST
from benchmarks.peers.running import Outcome, Peer, PeerError
from benchmarks.peers.support import SUPPORT

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PEERS", "Outcome", "Peer", "PeerError"]

PEERS: Mapping[str, type[Peer]] = {
    peer.option: peer for peer in (CAREamics, SUPPORT, DeepCADRT, FAST)
}
"""Every peer, by the name of its option on the command line."""
