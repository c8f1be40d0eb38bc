"""An architecture: a family and a spec in canonical form, with a key that identifies it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from searchspace.discover import find_family
from searchspace.errors import UserError
from searchspace.family import Family
from searchspace.recipe import PREFIX, Recipe, split
from searchspace.spec import Spec, digest, explain, knobs

if TYPE_CHECKING:
    # Commands that only read the database start seconds earlier without torch.
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The design of a network, which can be built at every scale of its family. Designs with equal keys are the same."""

    family: Family
    spec: Spec
    """The knobs as the user gave them. To compare two architectures, use `canonical`."""
    recipe: Recipe = Recipe()  # noqa: RUF009 - a recipe is never changed
    """Training settings that the sweep chose together with the network. Empty unless the sweep searches training
    settings. The same network with two recipes counts as two architectures with different keys."""

    @cached_property
    def canonical(self) -> Spec:
        """The canonical spec. Every spec that describes this network has the same canonical spec."""
        return self.spec.canonical()

    @cached_property
    def key(self) -> str:
        """Sixteen hexadecimal digits that identify the architecture and its recipe in the database."""
        network = digest(self.family.name, self.canonical)
        if not self.recipe:
            return network
        text = json.dumps([network, self.recipe], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def knobs(self) -> dict[str, Any]:
        """The values of all knobs by name, as the user gave them, in JSON types."""
        return self.spec.model_dump(mode="json")

    @property
    def values(self) -> dict[str, Any]:
        """Knobs and training settings by name, as the database stores them. Names of settings begin with PREFIX."""
        return self.knobs | {f"{PREFIX}{name}": value for name, value in self.recipe.items()}

    def value(self, name: str) -> Any:
        """Returns the value of the knob or training setting called `name`. Names of settings begin with PREFIX."""
        if name.startswith(PREFIX):
            return self.recipe[name.removeprefix(PREFIX)]
        return getattr(self.spec, name)

    @cached_property
    def without_recipe(self) -> "Architecture":
        """The same architecture with an empty recipe."""
        return replace(self, recipe=Recipe()) if self.recipe else self

    @cached_property
    def label(self) -> str:
        """A readable name: the family, the knobs that change the published network, and the recipe."""
        fields = type(self.spec).model_fields
        shown, spec, own = [self.family.name], self.spec, self.without_recipe.key
        for name, value in self.spec.changed().items():
            without = spec.model_copy(update={name: fields[name].default})
            if digest(self.family.name, without.canonical()) != own:
                shown.append(f"{name}={_short(value)}")
            else:
                # Resetting one of two knobs alone may leave the network unchanged, although
                # resetting both changes it. So this knob stays reset while the next are tried.
                spec = without
        for name, value in self.recipe.items():
            shown.append(f"{PREFIX}{name}={'null' if value is None else _short(value)}")
        return " ".join(shown)

    def network(self, scale: int) -> "nn.Module":
        """Returns a freshly initialised network that upscales images by `scale`.

        Raises UserError if the family does not support this scale.
        """
        if scale not in self.family.scales:
            scales = ", ".join(map(str, self.family.scales))
            raise UserError(f"scale: {self.family.name} is built for {scales}, got {scale}")
        network = self.family.network(self.spec, scale)
        network.built = Built(architecture=self.without_recipe, scale=scale)  # type: ignore[assignment]
        return network

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Architecture) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True, kw_only=True)
class Built:
    """The architecture and scale of a network. `Architecture.network` stores them in the network's attribute `built`."""

    architecture: Architecture
    scale: int

    def __deepcopy__(self, memo: dict[int, Any]) -> "Built":
        """Returns the object itself. It never changes, so the many copies of a network can share it."""
        return self


def architecture(family_name: str, values: Mapping[str, Any]) -> Architecture:
    """Returns the architecture with the knob values `values`. All other knobs keep the published default.

    Raises UserError with one line per mistake. Each line starts with `family.knob`, or with `family` if several knobs
    are valid alone but not together.
    """
    family = find_family(family_name)
    try:
        spec = family.spec.model_validate(dict(values))
    except ValidationError as error:
        faults = explain(error, lambda path: knobs(family.spec))
        lines = [f"{'.'.join((family_name, *path))}: {text}" for path, text in faults]
        raise UserError("\n".join(lines)) from None
    return Architecture(family=family, spec=spec)


def stored_architecture(family_name: str, values: Mapping[str, Any]) -> Architecture:
    """Returns the architecture and recipe that the stored `values` describe. Raises UserError like `architecture`."""
    chosen, recipe = split(values)
    return replace(architecture(family_name, chosen), recipe=recipe)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_short(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_short, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
