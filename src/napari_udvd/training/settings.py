"""What a user decides about a training run."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from napari_udvd.errors import InputError
from napari_udvd.models import NetworkSettings, NetworkSpec, catalogue

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["TrainingSettings", "expected", "make_settings", "options"]

REFUSED = "setting_of_another_network"
"""Kind of the error whose message is already for users."""


class TrainingSettings(BaseModel):
    """Choices for one training run; the defaults work.

    Options of the network are given, read and dumped like all others, and kept in
    `network`: ``TrainingSettings(model=..., width=16).width``.

    Attributes
    ----------
    network
        The options of the chosen network; where the choice is open, of the first that
        has all options that were given.

    Raises
    ------
    pydantic.ValidationError
        If a value is out of range; :func:`make_settings` says so in words for users.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(
        catalogue.AUTO,
        title="Network",
        description="network; auto takes what suits the movie",
    )
    from_scratch: bool = Field(
        False,
        title="Do not start from the shipped weights",
        description="do not start from the weights shipped",
    )
    minutes: float = Field(
        2.0,
        gt=0,
        allow_inf_nan=False,
        title="Time",
        description="time budget, min",
        json_schema_extra={"expected": "a number of minutes above 0, such as 2"},
    )
    steps: int | None = Field(
        None,
        ge=1,
        title="Steps",
        description="stop after so many steps instead; such a run can be repeated "
        "exactly on one machine",
        json_schema_extra={"expected": "a whole number of steps from 1 on"},
    )
    noise: tuple[float, float, float] | None = Field(
        None,
        title="Noise",
        description="noise of a camera that you measured, for all channels: grey "
        "levels per electron, grey level without light, read noise in grey levels; "
        "estimated if None",
        json_schema_extra={
            "metavar": "GAIN OFFSET READ",
            "expected": "three finite numbers, gain, offset and read noise, such as "
            "2.17, 100 and 3.48; gain and read noise must not be negative, and not "
            "both 0",
        },
    )
    hole: tuple[int, int] | None = Field(
        None,
        title="Hole",
        description="rows and columns not seen by the network; from the diagnosis if "
        "None",
        json_schema_extra={
            "expected": "two odd numbers, rows and columns, such as 3 and 1"
        },
    )
    likelihood: bool = Field(
        True,
        title="Predict the uncertainty, too",
        description="Gaussian likelihood with posterior, instead of the mean only",
    )
    self_ensemble: bool | None = Field(
        None,
        title="Average over turned views (slow)",
        description="average over all mirrored and turned views when denoising, a "
        "little better, slower; if there is time if None",
    )
    distil: bool | None = Field(
        None,
        title="Teach the network by its own result",
        description="teach the network by its own result, with noise added anew, and "
        "keep that if frames held out are for it; in dim movies if None",
    )
    joint_channels: bool = Field(
        False,
        title="One network for all channels at once",
        description="denoise channels together, not one by one",
    )
    device: str = Field(
        "auto",
        title="Device",
        description="auto, cpu, cuda, cuda:1, mps",
        json_schema_extra={"expected": "auto, cpu, cuda, cuda:1 or mps"},
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**63,
        title="Seed",
        description="seed of weights and patches",
        json_schema_extra={"expected": "a whole number from 0 to 2**63 - 1"},
    )
    patch: int = Field(
        64,
        ge=16,
        title="Patch",
        description="rows and columns of a training patch, px",
        json_schema_extra={"expected": "a whole number of pixels from 16 on"},
    )
    batch: int | None = Field(
        None,
        ge=1,
        title="Batch",
        description="clips per step; what suits the network if None",
        json_schema_extra={"expected": "a whole number of clips from 1 on"},
    )
    targets: int | None = Field(
        None,
        ge=1,
        title="Output frames",
        description="output frames per clip; what suits if None",
        json_schema_extra={"expected": "a whole number of frames from 1 on"},
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        title="Learning rate",
        description="highest step size of Adam; what suits if None",
        json_schema_extra={"expected": "a number above 0, such as 0.001"},
    )
    checkpoint_seconds: float = Field(
        20.0,
        gt=0,
        allow_inf_nan=False,
        title="Checkpoint every",
        description="what a killed run loses at most, s",
        json_schema_extra={"expected": "a number of seconds above 0, such as 20"},
    )
    network: SerializeAsAny[NetworkSettings] = Field(
        default_factory=lambda: _first_with(()).settings(),
        description="options of the network",
    )

    if not TYPE_CHECKING:  # a name that is none shall be found by the type checker

        def __getattr__(self, name: str) -> Any:
            """Return an option of the network; its default where it has none such."""
            if not name.startswith("_") and name in (known := options()):
                own = self.__dict__["network"]
                has_it = name in type(own).model_fields
                return getattr(own, name) if has_it else known[name].default
            return super().__getattr__(name)

    @property
    def given(self) -> frozenset[str]:
        """Names of what was given, the options of the network among them."""
        own = self.network.model_fields_set
        return frozenset((self.model_fields_set - {"network"}) | own)

    def network_as(self, spec: NetworkSpec) -> NetworkSettings:
        """Return the options that were given as those of another network.

        Raises
        ------
        InputError
            If it does not have one of them, or not with this value.
        """
        if isinstance(self.network, spec.settings):
            return self.network
        given = self.network.model_dump(exclude_unset=True)
        for name, value in given.items():
            if name not in spec.settings.model_fields:
                raise InputError(_not_of(name, value, spec))
        try:
            return spec.settings(**given)
        except ValidationError as error:
            raise InputError(_in_words(error, given)) from error

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, values: Any) -> Any:
        """Put the options of networks where they are kept."""
        if not isinstance(values, Mapping) or "network" in values:
            return values
        known = options()
        own = {name: value for name, value in values.items() if name in known}
        others = {name: value for name, value in values.items() if name not in known}
        return {**others, "network": own} if own or "model" in values else others

    @field_validator("model")
    @classmethod
    def _known(cls, model: str) -> str:
        if model != catalogue.AUTO:
            catalogue.find(model)
        return model

    @field_validator("network", mode="plain")
    @classmethod
    def _of_the_network(cls, given: Any, info: ValidationInfo) -> NetworkSettings:
        if "model" not in info.data:  # which is told already
            return NetworkSettings()
        if isinstance(given, NetworkSettings):
            return _fitting(given, info.data["model"])
        if not isinstance(given, Mapping):
            raise ValueError(f"{given!r} are no options of a network")
        known = options()
        asked = {
            name
            for name in given
            if name in known and not _is_as_usual(given[name], known[name])
        }
        model = info.data["model"]
        spec = _first_with(asked) if model == catalogue.AUTO else catalogue.find(model)
        for name in given:
            if name in asked and name not in spec.settings.model_fields:
                raise _refused(_not_of(name, given[name], spec))
        own = {
            name: value
            for name, value in given.items()
            if name in spec.settings.model_fields or name not in known
        }
        return spec.settings.model_validate(own)

    @model_serializer(mode="wrap")
    def _flat(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Dump all options side by side, those that the network does not have, too."""
        values = handler(self)
        own = values.pop("network", {})
        unused: dict[str, Any] = {}
        if not (info.exclude_unset or info.exclude_defaults):
            for spec in reversed(catalogue.built_in().values()):
                unused |= spec.settings().model_dump(mode=info.mode)
        flat = {**values, **unused, **own}
        return {name: flat[name] for name in _in_order() if name in flat}

    @field_validator("hole")
    @classmethod
    def _odd(cls, hole: tuple[int, int] | None) -> tuple[int, int] | None:
        if hole is not None and any(n < 1 or n % 2 == 0 for n in hole):
            raise ValueError(f"hole is {hole}; rows and columns must be odd numbers")
        return hole

    @field_validator("noise")
    @classmethod
    def _noise(
        cls, noise: tuple[float, float, float] | None
    ) -> tuple[float, float, float] | None:
        if noise is not None:
            from napari_udvd.noise import NoiseModel  # brings much along

            NoiseModel(*noise)
        return noise


def options() -> dict[str, FieldInfo]:
    """Return what networks have as settings of their own, and not every training."""
    found: dict[str, FieldInfo] = {}
    for spec in catalogue.specs().values():
        for name, field in spec.settings.model_fields.items():
            if name not in TrainingSettings.model_fields:
                found.setdefault(name, field)
    return found


def expected() -> dict[str, str]:
    """Return what each setting may be, for messages, by name; all that there are."""
    fields = {**TrainingSettings.model_fields, **options()}
    said = {name: _may_be(fields[name]) for name in _in_order()}
    said["model"] = _one_of([catalogue.AUTO, *catalogue.names()])
    return said


def make_settings(**values: Any) -> TrainingSettings:
    """Build training settings; values that are None keep their default.

    Raises
    ------
    InputError
        If a value is out of range or a name unknown.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return TrainingSettings(**given)
    except ValidationError as error:
        raise InputError(_in_words(error, given)) from error


def _in_words(error: ValidationError, given: Mapping[str, Any]) -> str:
    """Say what is wrong with settings; not in pydantic's words."""
    said: dict[str, str] = {}
    for problem in error.errors():
        place = [str(part) for part in problem["loc"]]
        name = place[1] if place[0] == "network" and len(place) > 1 else place[0]
        if problem["type"] == REFUSED:
            said.setdefault(name, problem["msg"])
        else:
            said.setdefault(name, _wrong(name, given.get(name, problem["input"])))
    return "; ".join(said.values())


def _wrong(name: str, value: Any) -> str:
    may_be = expected()
    if name not in may_be:
        return (
            f"there is no setting {name!r} (it was given {value!r}); settings are "
            f"{', '.join(may_be)}"
        )
    whole = f"{name} is {value!r}; expected {may_be[name]}"
    return (
        "; ".join([whole, *catalogue.broken().values()]) if name == "model" else whole
    )


def _may_be(field: FieldInfo) -> str:
    """Say what values a field takes."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "expected" in extra:
        return str(extra["expected"])
    kinds = _kinds(field.annotation)
    if bool in kinds:
        return "True or False"
    if choices := [c for kind in kinds for c in get_args(kind) if isinstance(c, str)]:
        return _one_of(choices)
    return field.description or "another value"


def _kinds(annotation: Any) -> tuple[Any, ...]:
    is_union = get_origin(annotation) in (types.UnionType, Union)
    return get_args(annotation) if is_union else (annotation,)


def _one_of(choices: Sequence[str]) -> str:
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last


def _in_order() -> list[str]:
    """Names of all settings as they are listed; an option may say after which."""
    order = [name for name in TrainingSettings.model_fields if name != "network"]
    for name, field in options().items():
        extra = field.json_schema_extra
        after = extra.get("after") if isinstance(extra, dict) else None
        order.insert(order.index(after) + 1 if after in order else len(order), name)
    return order


def _is_as_usual(value: Any, field: FieldInfo) -> bool:
    """Whether a value says no more than to leave the option out would."""
    usual = field.default
    return value is None or (type(value) is type(usual) and bool(value == usual))


def _first_with(names: Collection[str]) -> NetworkSpec:
    """Return the first network that has all these options, or only the first few."""
    found = list(catalogue.specs().values())
    has = [len(set(names) & set(spec.settings.model_fields)) for spec in found]
    return found[has.index(max(has))]


def _not_of(name: str, value: Any, spec: NetworkSpec) -> str:
    """Say that an option is one of other networks than this."""
    others = [s for s in catalogue.specs().values() if name in s.settings.model_fields]
    own = ", ".join(spec.settings.model_fields) or "no settings of its own"
    titles = " and ".join(other.title for other in others)
    names = " or ".join(other.name for other in others)
    return (
        f"{name} is {value!r}, which is a setting of {titles}; {spec.title} has {own}: "
        f"leave it out, or choose the model {names}"
    )


def _fitting(given: NetworkSettings, model: str) -> NetworkSettings:
    """Return options that were given as an object, if they are of this network."""
    if model == catalogue.AUTO or isinstance(given, catalogue.find(model).settings):
        return given
    raise _refused(
        f"network is {given!r}, which are no settings of "
        f"{catalogue.find(model).title}; give its own, or its options by name"
    )


def _refused(message: str) -> PydanticCustomError:
    return PydanticCustomError(REFUSED, "{said}", {"said": message})
