"""What every network promises, whoever wrote it: one function for each promise.

They know a network by its spec and by what ``napari_udvd.models.Network`` says, and so
hold for networks of other packages, too: hand :data:`NETWORK_CONTRACTS` a function that
builds the network, and :data:`SPEC_CONTRACTS` its spec.
"""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

import napari_udvd as nu
from napari_udvd.inference.restorer import Denoiser
from napari_udvd.models import (
    CameraNoise,
    Clip,
    Facts,
    Network,
    NetworkSpec,
    Prediction,
)
from napari_udvd.models.catalogue import find
from napari_udvd.tasks import DENOISE, TASKS
from napari_udvd.training.learner import Learner
from napari_udvd.training.settings import TrainingSettings, expected
from tiny import ALONE, ANY_NOISE, learned_from, tiny_calibration, tiny_movie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

__all__ = ["NETWORK_CONTRACTS", "SPEC_CONTRACTS", "Make"]

FAINT = 0.02
"""Share of a result that what is far away may have, where not all of it is local."""

HOLES = [(1, 1), (3, 1), (1, 3), (3, 3), (7, 5)]

Hole = tuple[int, int]

Pixel = tuple[int, int]
"""Row and column."""


class Make(Protocol):
    """Builds the network that is judged: small, and with weights that do something."""

    def __call__(
        self,
        channels: int = 1,
        hole: Hole = (1, 1),
        likelihood: bool = True,
        own_start: bool = False,
    ) -> Network:
        """Build it, for evaluation.

        Parameters
        ----------
        channels, hole, likelihood
            As every network takes them.
        own_start
            With the weights that its training begins with.
        """


# --- what they have in common -------------------------------------------------------


def clip_of(net: Network, *shape: int, extra: int = 0, n: int = 1) -> Clip:
    """Return frames of order one, as many as an output needs and some more."""
    size = (n, 2 * net.geometry.context + 1 + extra, net.channels, *shape)
    values = np.random.default_rng(0).standard_normal(size)
    return Clip(torch.from_numpy(values.astype(np.float32)), ANY_NOISE)


def in_hole(shape: tuple[int, int], y: int, x: int, hole: Hole) -> Tensor:
    """Return where the hole around a pixel is, ``(H, W)``."""
    rows, columns = np.indices(shape)
    near = (abs(rows - y) <= hole[0] // 2) & (abs(columns - x) <= hole[1] // 2)
    return torch.from_numpy(near)


def gradients(net: Network, clip: Clip, pixels: Sequence[Pixel]) -> list[Tensor]:
    """Gradients of the first output frame at pixels, ``(T, C, H, W)`` each.

    Of all that is put out there, mixed so that nothing cancels.
    """
    frames = clip.frames.detach().requires_grad_()
    mean, factor = net.predict(clip._replace(frames=frames), torch.float32)
    found = []
    for y, x in pixels:
        values = [mean[0, 0, :, y, x]]
        if factor is not None:
            values.append(factor[0, 0, :, :, y, x].flatten())
        pixel = torch.cat(values)
        (slope,) = torch.autograd.grad(
            (pixel * torch.linspace(0.7, 1.3, len(pixel))).sum(),
            frames,
            retain_graph=True,
        )
        found.append(slope[0])
    return found


def parts(prediction: Prediction) -> list[Tensor]:
    """Mean, and factor where there is one."""
    return [part for part in prediction if part is not None]


def assert_close(one: Prediction, two: Prediction, tolerance: float = 1e-4) -> None:
    for ours, theirs in zip(parts(one), parts(two), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


def assert_equal(one: Prediction, two: Prediction) -> None:
    for ours, theirs in zip(parts(one), parts(two), strict=True):
        assert torch.equal(ours, theirs)


def corners_and_middle(height: int, width: int) -> list[Pixel]:
    return [
        (0, width - 1),
        (height - 1, 0),
        (height // 2, width // 3),
        (height // 2 + 1, width // 2),
    ]


# --- what a network sees ------------------------------------------------------------


def never_sees_the_hole(make: Make) -> None:
    """Gradients at the hole are zero, in all places, before and after learning."""
    shape = (19, 22)
    for hole in HOLES:
        net = make(channels=1, hole=hole)
        assert net.hole == hole
        clip, own = clip_of(net, *shape), net.geometry.context
        pixels = corners_and_middle(*shape)
        for (y, x), seen in zip(pixels, gradients(net, clip, pixels), strict=True):
            hidden = in_hole(shape, y, x, hole)
            assert not seen[own][:, hidden].any(), (hole, y, x)
            assert seen.any()
    learner = Learner(net.train(), torch.float32, DENOISE)
    for _ in range(2):
        learn(learner, clip, rate=1e-2)
    (seen,) = gradients(net, clip, [(y, x)])
    assert not seen[own][:, hidden].any(), f"hole {hole}, after learning"


def denoising_does_not_see_the_hole(make: Make) -> None:
    """Whatever stands in the hole: inference, which may run other code, is the same."""
    shape, (y, x) = (41, 37), (20, 17)
    for hole in [(1, 1), (3, 1), (3, 3)]:
        net = make(hole=hole)
        net.drop_flow()  # which may see all
        clip, own = clip_of(net, *shape), net.geometry.context
        other = clip.frames.clone()
        other[:, own, :, in_hole(shape, y, x, hole)] = 1e3
        outside = clip.frames.flip(-1, -2)
        outside[..., in_hole(shape, y, x, hole)] = 0
        window = [range(2 * own + 1)]

        def outputs(frames: Tensor, net: Network = net, window: Any = window) -> Any:
            seen = Clip(frames, ANY_NOISE)
            with torch.inference_mode():
                whole = net.predict(seen, torch.float32).mean[0, 0]
                (swept,) = net.sweep(seen, window, torch.float32)
            return torch.stack([whole, swept.mean[0]])

        one, two, three = map(outputs, (clip.frames, other, outside))
        torch.testing.assert_close(one[..., y, x], two[..., y, x])
        assert (one - three)[..., y, x].abs().amax() > 1e-3, "what it sees matters"


def sees_no_further_than_its_radius(make: Make) -> None:
    """Nothing beyond `radius` matters, and what is at half of it does.

    Where something sees the whole frame, as a norm does, what is beyond hardly does.
    """
    net = make()
    net.drop_flow()  # fetches from anywhere
    radius, grid = net.geometry.radius, net.geometry.grid
    least = 0.0 if net.geometry.local else FAINT
    for turned in (False, True):
        shape = (16, 2 * radius + 25)
        clip = clip_of(net, *(shape[::-1] if turned else shape))
        furthest = 0
        # the grid makes the reach differ by where the pixel lies on it
        shifts = sorted({0, 1 % grid, grid // 2, grid - 1})
        along_it = [radius + 8 + shift for shift in shifts]
        pixels = [(x, 8) if turned else (8, x) for x in along_it]
        for x, seen in zip(along_it, gradients(net, clip, pixels), strict=True):
            strength = seen.abs().amax(dim=(0, 1, 3 if turned else 2))
            along = (strength > least * strength.max()).nonzero()
            furthest = max(furthest, int((along - x).abs().max()))
        assert furthest <= radius
        if net.geometry.local:
            assert furthest >= radius // 2, f"radius {radius}, and it sees {furthest}"


def sees_its_context(make: Make) -> None:
    """First and last frame of a window count; those outside of it do not."""
    net = make()
    net.drop_flow()
    context, recurrent = net.geometry.context, net.geometry.recurrent
    clip = clip_of(net, 20, 21)
    # rectifiers may hide a frame from one pixel, not from several
    seen = gradients(net, clip, corners_and_middle(20, 21))
    assert any(one[0].any() for one in seen)
    assert any(one[-1].any() for one in seen)
    clip = clip_of(net, 20, 21, extra=3)
    assert net.predict(clip, torch.float32).mean.shape[1] == 4
    (seen_later,) = gradients(net, clip, [(9, 10)])
    if not recurrent:
        assert not seen_later[2 * context + 1 :].any()


# --- one result, by whatever way ----------------------------------------------------


def a_sweep_is_its_windows(make: Make) -> None:
    """In any order, and again."""
    for channels, likelihood in [(1, True), (2, False)]:
        net = make(channels=channels, likelihood=likelihood)
        net.drop_flow()
        clip = clip_of(net, 21, 18, extra=3)
        length = 2 * net.geometry.context + 1
        windows = [list(range(k, k + length)) for k in (0, 1, 2, 3, 1)]
        with torch.no_grad():
            whole = net.predict(clip, torch.float32)
            swept = list(net.sweep(clip, windows, torch.float32))
        assert len(swept) == len(windows)
        for window, (mean, factor) in zip(windows, swept, strict=True):
            k = window[0]
            expected = Prediction(
                whole.mean[:, k], None if factor is None else whole.factor[:, k]
            )
            assert_close(Prediction(mean, factor), expected)


def a_pixel_is_that_of_the_frame(make: Make) -> None:
    """See one pixel alone: numbers and gradients are the same."""
    for channels, hole, shape in [(1, (1, 1), (81, 58)), (2, (5, 1), (37, 50))]:
        net = make(channels=channels, hole=hole).requires_grad_(False)
        if double := works_in_double(net):
            net = net.double()
        dtype = torch.float64 if double else torch.float32
        clip, own = clip_of(net, *shape), net.geometry.context
        frames = clip.frames.to(dtype).requires_grad_()
        clip = clip._replace(frames=frames)
        frame = net.predict_frame(clip, own, dtype)
        for y, x in [*corners_and_middle(*shape), (3, 44)]:
            alone = net.predict_pixel(clip, own, y, x)
            assert alone.mean.shape == (1, channels, 1, 1)
            at = [part[..., y : y + 1, x : x + 1] for part in parts(frame)]
            for ours, theirs in zip(parts(alone), at, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
            (ours,) = torch.autograd.grad(alone.mean[0, -1].sum(), frames)
            (theirs,) = torch.autograd.grad(
                frame.mean[0, -1, y, x], frames, retain_graph=True
            )
            assert theirs.norm() > 1e-3
            # a rectifier at zero makes gradients jump, in float32 here and there
            assert (ours - theirs).norm() < 0.02 * theirs.norm()
            most = float(theirs.abs().max())
            same = torch.isclose(ours, theirs, rtol=1e-4, atol=1e-5 * most)
            assert same.double().mean() > 0.95


def works_in_double(net: Network) -> bool:
    """Whether it looks at single pixels in float64 when weights and frames are that."""
    other = type(net)(**net.configuration()).double()  # type: ignore[arg-type]
    clip = clip_of(other, 8, 8)
    clip = clip._replace(frames=clip.frames.double())
    try:
        alone = other.predict_pixel(clip, other.geometry.context, 3, 4)
    except RuntimeError:
        return False
    return alone.mean.dtype == torch.float64


def tiles_are_the_whole(make: Make) -> None:
    """Tiles with a halo as wide as `radius`, beginning on the grid, have no seam.

    Where something sees the whole frame, as a norm does, a faint one.
    """
    net = make()
    net.drop_flow()
    radius, grid = net.geometry.radius, net.geometry.grid
    start = -(-13 // grid) * grid
    long, short = start + radius + 16, 24
    for turned in (False, True):
        clip = clip_of(net, *((long, short) if turned else (short, long)))
        axis = -2 if turned else -1
        cut = clip.frames.narrow(axis, start, long - start)
        with torch.no_grad():
            whole = net.predict(clip, torch.float32)
            tile = net.predict(Clip(cut, ANY_NOISE), torch.float32)
        for ours, theirs in zip(parts(tile), parts(whole), strict=True):
            one = ours.narrow(axis, radius, 16)
            two = theirs.narrow(axis, start + radius, 16)
            if net.geometry.local:
                torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
            else:
                assert (one - two).abs().max() < FAINT * two.std()


def a_batch_is_its_items(make: Make) -> None:
    """Clips beside a clip do not matter, nor that their noise is another."""
    net = make(channels=2)
    clip = clip_of(net, 17, 18, n=2, extra=1)
    gain = torch.tensor([0.1, 0.6])[:, None, None, None, None]
    noise = CameraNoise(gain, gain - 1, gain + 0.3)
    with torch.no_grad():
        together = net.predict(Clip(clip.frames, noise), torch.float32)
        for k in range(2):
            own = CameraNoise(*(value[k : k + 1] for value in noise))
            alone = net.predict(Clip(clip.frames[k : k + 1], own), torch.float32)
            for ours, theirs in zip(parts(alone), parts(together), strict=True):
                torch.testing.assert_close(
                    ours, theirs[k : k + 1], rtol=1e-4, atol=1e-4
                )


def half_precision_is_close(make: Make) -> None:
    """In bfloat16 it is nearly the same; results and gradients stay float32."""
    net = make()
    net.drop_flow()
    clip = clip_of(net, 40, 44)
    exact = net.predict(clip, torch.float32)
    rounded = net.predict(clip, torch.bfloat16)
    for ours, theirs in zip(parts(rounded), parts(exact), strict=True):
        assert ours.dtype == theirs.dtype == torch.float32
        error = (ours - theirs).square().mean().sqrt()
        assert error < 0.05 * theirs.std()
    rounded.mean.square().mean().backward()
    gradients = [p.grad for p in net.parameters() if p.grad is not None]
    assert gradients
    for slope in gradients:
        assert slope.dtype == torch.float32
        assert torch.isfinite(slope).all()


# --- what it takes and gives --------------------------------------------------------


def takes_any_channels_and_size(make: Make) -> None:
    """One channel or three, with uncertainty or without, however few pixels."""
    for channels, likelihood in product([1, 3], [True, False]):
        net = make(channels=channels, likelihood=likelihood)
        assert (net.channels, net.likelihood) == (channels, likelihood)
        for shape in [(1, 1), (2, 3), (5, 30), (13, 9)]:
            with torch.no_grad():
                mean, factor = net.predict(clip_of(net, *shape, n=2), torch.float32)
            assert mean.shape == (2, 1, channels, *shape)
            assert mean.dtype == torch.float32
            assert torch.isfinite(mean).all()
            assert (factor is not None) == likelihood
            if factor is None:
                continue
            assert factor.shape == (2, 1, channels, channels, *shape)
            assert torch.isfinite(factor).all()
            assert (Prediction(mean, factor).std >= 0).all()


def predicts_what_its_margin_leaves(make: Make) -> None:
    """Of a training clip; and the middle frame of a window, where that is judged."""
    net = make(channels=2)
    clip = clip_of(net, 16, 18, extra=2)
    frames = clip.frames.shape[1]
    whole = net.predict_clip(clip, torch.float32)
    assert whole.mean.shape == (1, frames - 2 * net.margin, 2, 16, 18)
    assert set(net.denoising_parameters()) <= {n for n, _ in net.named_parameters()}
    assert net.denoising_parameters()
    fair = net.predict_fairly(clip_of(net, 16, 18), torch.float32)
    assert fair.mean.shape == (1, 1, 2, 16, 18)


def restores_the_shortest_movie(make: Make) -> None:
    """Of as many frames as it says that it needs; one frame fewer is refused."""
    net = make()
    least = net.geometry.least_frames
    assert least >= 1
    movie = tiny_movie(max(least, 2), (20, 22))
    denoiser = Denoiser(net, (tiny_calibration(),), record=learned_from(movie))
    clean = denoiser.denoise(movie, device="cpu", dtype=np.float32)
    assert clean.shape == movie.shape
    assert np.isfinite(clean).all()
    if least > 2:
        short = tiny_movie(least - 1, (20, 22))
        try:
            denoiser.denoise(short, device="cpu")
        except nu.InputError as error:
            assert str(least) in str(error)
        else:
            raise AssertionError(f"{least - 1} frames should be refused")


# --- weights ------------------------------------------------------------------------


def its_configuration_builds_it_again(make: Make) -> None:
    """Also after the configuration was written to a file and read again."""
    for hole, channels, likelihood in [((1, 1), 1, True), ((3, 1), 3, False)]:
        net = make(channels=channels, hole=hole, likelihood=likelihood)
        said = json.loads(json.dumps(net.configuration()))
        again = type(net)(**said).eval()
        again.load_state_dict(net.state_dict())
        assert again.configuration() == net.configuration()
        assert again.geometry == net.geometry
        assert (again.hole, again.size) == (net.hole, net.size)
        clip = clip_of(net, 12, 13)
        with torch.no_grad():
            assert_equal(
                again.predict(clip, torch.float32), net.predict(clip, torch.float32)
            )


def a_model_file_brings_it_back(make: Make, folder: Path) -> None:
    """Bit for bit: its weights, and what it makes of a movie."""
    net = make()
    movie = tiny_movie(2 * net.geometry.context + 1)
    calibrations = (tiny_calibration(),)
    denoiser = Denoiser(net, calibrations, record=learned_from(movie))
    path = folder / f"{net.name}.safetensors"
    denoiser.save(path)
    again = nu.load(path)
    assert type(again.net) is type(net)
    assert not again.net.training
    ours, theirs = net.state_dict(), again.net.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    np.testing.assert_array_equal(
        denoiser.denoise(movie, device="cpu", **ALONE),
        again.denoise(movie, device="cpu", **ALONE),
    )


def learn(learner: Learner, clip: Clip, rate: float) -> float:
    """Take a step on clips; return the loss before it."""
    frames = clip.frames
    targets = frames.shape[1] - 2 * learner.net.margin
    is_target = torch.ones(len(frames), targets, dtype=torch.bool)
    return float(learner.learn(DENOISE.batch(clip, is_target), rate))


def a_step_of_training_lowers_the_loss(make: Make) -> None:
    """On the same clips, from the weights that training begins with."""
    net = make(own_start=True).train()
    before = {n: p.detach().clone() for n, p in net.denoising_parameters().items()}
    # smooth frames, so that there is something to be learned
    clip = clip_of(net, 24, 24, n=2)
    smooth = torch.nn.functional.avg_pool3d(
        clip.frames.flatten(0, 0)[:, :, 0], (1, 5, 5), 1, (0, 2, 2)
    )
    frames = 3 * smooth[:, :, None] + 0.3 * clip.frames
    camera = (torch.tensor(value) for value in (0.0, 0.0, 0.09))
    clip = Clip(frames, CameraNoise(*camera))
    learner = Learner(net, torch.float32, DENOISE)
    losses = [learn(learner, clip, rate=1e-4) for _ in range(3)]
    assert np.isfinite(losses).all()
    assert losses[0] > losses[1] > losses[2]
    after = net.denoising_parameters()
    moved = [n for n, old in before.items() if not torch.equal(old, after[n])]
    assert moved


NETWORK_CONTRACTS: dict[str, Callable[[Make], None]] = {
    contract.__name__: contract
    for contract in (
        never_sees_the_hole,
        denoising_does_not_see_the_hole,
        sees_no_further_than_its_radius,
        sees_its_context,
        a_sweep_is_its_windows,
        a_pixel_is_that_of_the_frame,
        tiles_are_the_whole,
        a_batch_is_its_items,
        half_precision_is_close,
        takes_any_channels_and_size,
        predicts_what_its_margin_leaves,
        restores_the_shortest_movie,
        its_configuration_builds_it_again,
        a_step_of_training_lowers_the_loss,
    )
}
"""What can be asked of a network alone; :func:`a_model_file_brings_it_back` is apart,
since it needs a folder, and a catalogue that knows the network."""


# --- specs --------------------------------------------------------------------------


def all_facts() -> Iterator[Facts]:
    """Movies and machines of all kinds."""
    for on_cpu, channels, hole, likelihood, lingers in product(
        (True, False), (1, 3), [(1, 1), (3, 1)], (True, False), (False, True)
    ):
        yield Facts(
            n_frames=60,
            source="movie",
            channels=channels,
            on_cpu=on_cpu,
            hole=hole,
            likelihood=likelihood,
            lingers=lingers,
        )


def the_spec_is_of_its_network(spec: NetworkSpec) -> None:
    network = spec.load()
    assert issubclass(network, Network)
    assert network.name == spec.name
    assert network.title == spec.title or network.title in spec.title
    assert spec.names
    assert len(set(spec.names)) == len(spec.names)
    assert set(spec.sizes) == {"cpu", "gpu"}
    assert spec.tasks
    assert set(spec.tasks) <= set(TASKS)
    for name in spec.names:
        assert find(name) is spec
        assert spec.variant_of(dict(spec.variants.get(name, {}))) in spec.names


def the_recipe_can_be_followed(spec: NetworkSpec) -> None:
    recipe = spec.recipe
    assert min(recipe.batch, recipe.targets, recipe.fewest) >= 1
    assert recipe.fewest <= recipe.targets
    assert 0 < recipe.warm_rate <= recipe.rate < 1


def settings_become_a_network(spec: NetworkSpec) -> None:
    """Build what the defaults ask for, for all movies and machines."""
    settings = spec.settings()
    built: dict[str, Network] = {}  # facts alike are often the same network
    for name, facts in product(spec.names, all_facts()):
        arguments = spec.arguments(name, settings, facts)
        net = built.get(repr(arguments))
        if net is None:
            with torch.device("meta"):  # no memory, no random numbers
                net = built[repr(arguments)] = spec.load()(**arguments)
        assert (net.channels, net.hole) == (facts.channels, facts.hole)
        assert net.likelihood == facts.likelihood
        assert spec.variant_of(net.configuration()) == name
        assert settings.least_frames(spec.variants.get(name, {})) <= facts.n_frames
        assert spec.unfit(name, settings, facts) is None
        told = spec.settings.as_built(net.configuration())
        spec.settings(**told)
        for warning in settings.warnings(facts):
            assert warning.strip()


def too_short_movies_are_refused_in_words(spec: NetworkSpec) -> None:
    settings = spec.settings()
    for name in spec.names:
        least = settings.least_frames(spec.variants.get(name, {}))
        if least < 2:
            continue
        unfit = spec.unfit(name, settings, Facts(least - 1, "short.tif"))
        assert unfit is not None
        for said in ("short.tif", str(least - 1), str(least), name):
            assert said in unfit.message
        assert unfit.reason


def every_setting_has_help_and_a_default(spec: NetworkSpec) -> None:
    assert spec.summary
    common = TrainingSettings.model_fields
    defaults = spec.settings()
    said = expected()
    for name, field in spec.settings.model_fields.items():
        assert name.isidentifier()
        assert name not in common, f"{name} is a setting of every training"
        assert field.description, f"{name} has no description"
        assert not field.description.endswith("."), "help ends without a full stop"
        assert not field.is_required(), f"{name} has no default"
        assert said[name]
        assert getattr(defaults, name) == field.get_default(call_default_factory=True)


def settings_survive_a_file(spec: NetworkSpec) -> None:
    """As part of the settings of a training, in a checkpoint."""
    for name in spec.names:
        settings = TrainingSettings(model=name)
        assert isinstance(settings.network, spec.settings)
        dumped = json.loads(settings.model_dump_json())
        assert set(spec.settings.model_fields) <= set(dumped)
        assert TrainingSettings(**dumped) == settings


SPEC_CONTRACTS: dict[str, Callable[[NetworkSpec], None]] = {
    contract.__name__: contract
    for contract in (
        the_spec_is_of_its_network,
        the_recipe_can_be_followed,
        settings_become_a_network,
        too_short_movies_are_refused_in_words,
        every_setting_has_help_and_a_default,
        settings_survive_a_file,
    )
}
