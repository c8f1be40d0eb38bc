"""Hints about names that other programs and papers use."""

import pytest

from searchspace.cost import COSTS
from searchspace.discover import FAMILIES
from searchspace.predicted import PREDICTED_LATENCY
from searchspace.spec import knobs, one_of
from searchspace.synonyms import FEW, NOTES, SYNONYMS, guess, meant, nearest
from sweeps.capacity.settings import ResourceSettings
from sweeps.config.sweep_config import SweepConfig
from sweeps.data.settings import DataSettings
from sweeps.measure.latency_objective import LATENCY
from sweeps.search.settings import MEASURED, HalvingSettings, SearchSettings
from sweeps.train.settings import TrainSettings

SECTIONS = (
    SweepConfig,
    SearchSettings,
    HalvingSettings,
    TrainSettings,
    DataSettings,
    ResourceSettings,
)
KNOBS = {name for family in FAMILIES.values() for name in knobs(family.spec)}


def test_every_answer_is_a_name_of_srsweep() -> None:
    keys = {name for section in SECTIONS for name in section.model_fields}
    known = keys | set(COSTS) | set(MEASURED) | {LATENCY, PREDICTED_LATENCY} | KNOBS
    assert set(SYNONYMS) <= known
    assert set(NOTES) <= known


@pytest.mark.parametrize("section", SECTIONS)
def test_a_name_of_srsweep_stands_for_itself(section: type[SweepConfig]) -> None:
    names = list(section.model_fields)
    assert [meant(name, names) for name in names] == names
    assert [meant(name.upper().replace("_", "-"), names, similar=False) for name in names] == names


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("lr", "learning_rate"),
        ("learning-rate", "learning_rate"),
        ("LearningRate", "learning_rate"),
        ("bs", "batch_size"),
        ("batch", "batch_size"),
        ("iterations", "steps"),
        ("total_iter", "steps"),
        ("patch", "patch_size"),
        ("step", "steps"),
    ],
)
def test_a_synonym_in_any_spelling_is_answered(name: str, ours: str) -> None:
    assert nearest(name, TrainSettings.model_fields) == f"did you mean {ours}?"


@pytest.mark.parametrize(
    "name", ["flops", "FLOPs", "GFLOPs", "macs", "madds", "gmacs", "Multi-Adds"]
)
def test_every_word_for_multiply_adds_is_answered(name: str) -> None:
    assert nearest(name, COSTS).startswith("did you mean multadds?")
    assert ("two FLOPs" in nearest(name, COSTS)) == ("flop" in name.lower())


def test_a_synonym_of_a_name_that_is_not_there_is_not_answered() -> None:
    assert meant("lr", ["scale", "seed"]) is None


def test_without_a_similar_name_the_closest_few_are_listed() -> None:
    names = [f"name{n}" for n in range(20)] + ["zzz"]
    told = nearest("zq", names)
    assert told.startswith("known: zzz, ")
    assert told.endswith(f"and {len(names) - FEW} more")
    assert nearest("qqq", ["one", "two"]) in ("known: one, two", "known: two, one")


def test_a_message_that_lists_all_names_adds_only_a_guess() -> None:
    """Once, the message about a wrong sampler had the same list of names twice."""
    names = ("random", "grid", "nsga2")
    assert guess("nsga-2", names) == "; did you mean nsga2?"
    assert guess("bayesian", names) == ""
    with pytest.raises(ValueError, match=r"^must be one of random, grid, nsga2$"):
        one_of(names).check("bayesian")


def test_a_long_name_takes_no_time() -> None:
    assert len(nearest("n" * 10**6, sorted(KNOBS))) < 500
