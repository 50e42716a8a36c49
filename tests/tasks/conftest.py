"""What the tests of tasks share."""

from __future__ import annotations

import torch

# small tensors are fastest with one thread, above all beside other programs
torch.set_num_threads(1)
