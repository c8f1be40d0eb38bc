"""The block `recipe`: settings of the training that the search chooses for each trial."""

import hashlib
import json
from pathlib import Path

import pytest

from searchspace.architecture import stored_architecture
from searchspace.table.space_table import SpaceTable
from sweeps.store.comparability import refusal, training_of
from sweeps.train.settings import heaviest
from tests.sweeps.config.written import config, one

RECIPE = "recipe: {learning_rate: [1e-3, 2e-3], loss: [l1, {fft: 0.05, l1: 1}]}"


def test_each_network_is_tried_with_each_recipe(tmp_path: Path) -> None:
    found = config(tmp_path, more=RECIPE)
    recipes = {json.dumps(each.recipe, sort_keys=True) for each in found.space.architectures}
    assert len(found.space) == len({each.key for each in found.space.architectures}) == 2 * 4
    assert '{"learning_rate": 0.002, "loss": {"fft": 0.05, "l1": 1.0}}' in recipes
    assert [each.learning_rate for each in found.trainings] == [1e-3, 1e-3, 2e-3, 2e-3]


def test_a_sweep_without_the_block_is_stored_as_before(tmp_path: Path) -> None:
    """The digits were computed before `recipe` existed."""
    plain = config(tmp_path)
    stored = {**plain.comparable, "train": dict(plain.comparable["train"])}
    younger = ("function", "quantize")  # than the digits
    assert [stored["train"].pop(name) for name in younger] == [None, None]
    text = json.dumps(stored, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == "44de6656cd93"
    filled = json.loads(training_of(stored))
    assert [filled["train"].pop(name) for name in younger] == [None, None]
    text = json.dumps(filled, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == "c12e0ce1093f"
    assert [each.key for each in plain.space.architectures] == [
        "3f59d975f77c354f",
        "fec960932b416362",
    ]
    assert plain.trainings == [plain.train]


def test_trials_are_comparable_if_the_same_settings_are_searched(tmp_path: Path) -> None:
    plain, two = config(tmp_path), config(tmp_path, more=RECIPE)
    more = config(tmp_path, more=RECIPE.replace("[1e-3, 2e-3]", "[1e-3, 5e-3, 1e-2]"))
    other = config(tmp_path, more=RECIPE.replace("learning_rate", "clip_gradient"))
    assert training_of(two.comparable) == training_of(more.comparable)
    assert len({training_of(each.comparable) for each in (plain, two, other)}) == 3
    assert "learning_rate" not in two.comparable["train"]
    assert refusal("t", "t.db", two.comparable, more.comparable) == ""
    assert "recipe: ['learning_rate', 'loss'] -> None" in refusal(
        "t", "t.db", two.comparable, plain.comparable
    )


def test_combinations_that_train_refuses_are_no_recipes(tmp_path: Path) -> None:
    found = config(tmp_path, more="recipe: {schedule: [one_cycle, cosine], warmup: [0, 2]}")
    assert {(each.schedule, each.warmup) for each in found.trainings} == {
        ("one_cycle", 0),
        ("cosine", 0),
        ("cosine", 2),
    }


def test_the_table_of_a_space_has_each_recipe(tmp_path: Path) -> None:
    found = config(tmp_path, more="recipe: {schedule: [one_cycle, cosine], warmup: [0, 2]}")
    table = SpaceTable(found.space, found.scale)
    keys = [table.architecture(row).key for row in range(len(table))]
    assert sorted(keys) == sorted(each.key for each in found.space.architectures)
    assert [table.row(table.architecture(row)) for row in range(len(table))] == [*range(6)]
    assert table.row(table.architecture(0).without_recipe) is None


def test_an_architecture_is_rebuilt_from_its_stored_values(tmp_path: Path) -> None:
    for each in config(tmp_path, more=RECIPE).space.architectures:
        again = stored_architecture(each.family.name, json.loads(json.dumps(each.values)))
        assert (again.key, again.label) == (each.key, each.label)
        assert again.without_recipe.key != again.key
    assert each.label.endswith(" train.learning_rate=0.002 train.loss={fft:0.05,l1:1}")


def test_memory_is_predicted_for_the_heaviest_recipe(tmp_path: Path) -> None:
    edit = ("batch_size: 2, ", "")
    found = config(tmp_path, edit, more="recipe: {batch_size: [2, 4], ema: [null, 0.9]}")
    assert (heaviest(found.trainings).batch_size, heaviest(found.trainings).ema) == (4, 0.9)


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("{learning_rate: [1e-3, 0]}", "s.yaml:11: recipe.learning_rate: Input should be greater"),
        ("{lr: [1e-3]}", "recipe.lr: no such setting of train; did you mean learning_rate?"),
        ("{steps: [4, 8]}", "recipe.steps: must be the same for all trials of a sweep"),
        ("{batch_size: [2, 4]}", "recipe.batch_size: is also under train; leave it out"),
        ("{learning_rate: 1e-3}", "recipe.learning_rate: must be a list of values, got '1e-3'"),
        ("{loss: [l3]}", "recipe.loss: must be one of charbonnier, fft, l1, mse, got 'l3'"),
        ("{warmup: [0, 2]}", "recipe.warmup: 2 fits no combination of the other settings: train.w"),
        ("{schedule: [cosine, cosine_restarts]}", "cosine_restarts needs restarts, the steps"),
        (
            f"{{learning_rate: {[*range(1, 102)]}, clip_gradient: {[*range(1, 11)]}}}",
            "recipe: must have at most 1,000 combinations of values, got 1,010",
        ),
        ("{betas: [0.9, 0.99]}", "recipe.betas: must be a list, got 0.9"),
        ("{loss: {values: [l1]}}", "recipe.loss: must be the list of values alone, got {'values'"),
        ("[1]", "recipe: must be a mapping from names to values, got [1]"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, recipe: str, told: str) -> None:
    assert told in one(tmp_path, more=f"recipe: {recipe}")
