"""Names as people write them: hints about unknown ones, and messages that are short and sorted by line."""

import os
import re
from pathlib import Path

import pytest

from sweeps.config.sweep_config import parse_config
from sweeps.yaml_text import read_stored
from tests.sweeps.config.written import config, one, told


@pytest.mark.parametrize("name", ["x.yaml", "x.yml", "X.YAML", "a.b.Yml"])
def test_a_name_that_a_command_takes_for_a_file_is_refused(tmp_path: Path, name: str) -> None:
    message = one(tmp_path, ("name: t", f"name: {name}"))
    assert message == (
        f"s.yaml:3: name: must not end in .yaml or .yml, which marks a sweep file, got '{name}'"
    )


@pytest.mark.parametrize(
    "name", ["a/b", "'a#1'", "-a", ".a", "../a", "'a b'", '"a\\nb"', '"a\\n"', '"a\\e[31m"', "''", "ä", "a" * 101]
)  # fmt: skip
def test_a_name_that_is_no_name_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    message = one(tmp_path, ("name: t", f"name: {name}"))
    assert message.startswith("s.yaml:3: name: String should match pattern")


@pytest.mark.parametrize("name", ["x.yaml.1", "yaml", "a.db", "'12'", "1e5"])
def test_other_names_are_taken(tmp_path: Path, name: str) -> None:
    assert config(tmp_path, ("name: t", f"name: {name}")).name == name.strip("'")


@pytest.mark.parametrize(
    "when", ["none", "[none]", "3", "true", "''", "~", "{}", "{n_feats: none}", "{n_feats: {low: 1}}", "{nofeats: 1}", "{compression: none}", "{n_feats: []}"]
)  # fmt: skip
@pytest.mark.parametrize("values", ["[none]", "none", "auto"])
def test_a_condition_that_is_none_is_answered(tmp_path: Path, when: str, values: str) -> None:
    knob = f"compression: {{values: {values}, when: {when}}}"
    if when in ("~", "{}", "{n_feats: []}"):
        config(tmp_path, ("compression: none", knob))
        return
    message = one(tmp_path, ("compression: none", knob))
    assert message.startswith("s.yaml:6: families.slwsr")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("steps: 4,", "steps: 4, lr: 1e-3,", "8: train.lr: no such key; did you mean learning_rate?"),
        ("steps: 4,", "steps: 4, learning-rate: 1e-3,", "8: train.learning-rate: no such key; did you mean learning_rate?"),
        ("batch_size: 2", "bs: 2", "8: train.bs: no such key; did you mean batch_size?"),
        ("batch_size: 2", "batch: 2", "8: train.batch: no such key; did you mean batch_size?"),
        ("steps: 4,", "steps: 4, niter: 10,", "8: train.niter: no such key; did you mean steps?"),
        ("steps: 4,", "steps: 4, epochs: 10,", "8: train.epochs: no such key; did you mean steps? (steps counts optimiser steps"),
        ("steps: 4,", "steps: 4, gt_size: 96,", "8: train.gt_size: no such key; did you mean patch_size? (patch_size counts low"),
        ("steps: 4,", "steps: 4, hours: 3,", "8: train.hours: no such key; did you mean search.hours?"),
        ("name: t", "name: t\n    lr: 1e-3", "4: lr: no such key; did you mean train.learning_rate?"),
        ("name: t", "name: t\n    epochs: 3", "4: epochs: no such key; did you mean train.steps? (steps counts"),
        ("name: t", "name: t\n    n_trials: 3", "4: n_trials: no such key; did you mean search.trials?"),
        ("train: embedded", "dataset: embedded", "9: data.dataset: no such key; did you mean train?"),
        ("steps: 4,", "steps: 4, dataset: x,", "8: train.dataset: no such key; did you mean data.train?"),
        ("name: t", "name: t\n    dataset: x", "4: dataset: no such key; did you mean data?"),
        ("train: embedded", "train: embedded, dataroot: x", "9: data.dataroot: no such key; did you mean root?"),
        ("n_feats:", "nfeat:", "6: families.slwsr.nfeat: no such knob; did you mean n_feats?"),
        ("n_feats:", "num_feat:", "6: families.slwsr.num_feat: no such knob; did you mean n_feats?"),
        ("n_feats:", "nf:", "6: families.slwsr.nf: no such knob; did you mean n_feats?"),
        ("n_blocks:", "n_resblocks:", "6: families.slwsr.n_resblocks: no such knob; did you mean n_blocks?"),
        ("n_blocks:", "num_block:", "6: families.slwsr.num_block: no such knob; did you mean n_blocks?"),
        ("slwsr:", "s-lwsr:", "6: families.s-lwsr: unknown family; did you mean slwsr?"),
        ("slwsr:", "SLWSR:", "6: families.SLWSR: unknown family; did you mean slwsr?"),
        ("scale: 4", "upscale: 4", "4: upscale: no such key; did you mean scale?"),
        ("name: t", "nme: t", "3: nme: no such key; did you mean name?"),
        ("families:", "family:", "5: family: no such key; did you mean families?"),
        ("sampler: random", "smapler: pareto, min_gain: 0.1", "7: search.smapler: no such key; did you mean sampler?"),
        ("sampler: random", "sampler: paretto, min_gain: 0.1", "7: search.sampler: must be one of"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_answered_once_with_the_key_that_is_meant(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert one(tmp_path, (old, new)).startswith(f"s.yaml:{words}")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("budget: {flops: 10G}", "budget.flops: unknown cost; did you mean multadds? (multadds counts multiply-adds"),
        ("budget: {macs: 10G}", "budget.macs: unknown cost; did you mean multadds?"),
        ("budget: {GMACs: 10}", "budget.GMACs: unknown cost; did you mean multadds?"),
        ("budget: {madds: 10G}", "budget.madds: unknown cost; did you mean multadds?"),
        ("budget: {parameters: 10k}", "budget.parameters: unknown cost; did you mean params?"),
        ("budget: {Params: 10k}", "budget.Params: unknown cost; did you mean params?"),
        ("budget: {latency_ms: 10}", "budget.latency_ms: unknown cost; did you mean latency?"),
        ("objectives: {psnr: maximize, flops: minimize}", "objectives.psnr: unknown; did you mean psnr_y?"),
        ("objectives: {runtime: minimize}", "objectives.runtime: unknown; did you mean latency?"),
        ("constraints: [latency <= 30]", "constraints.0: latency is limited under budget, such as budget: {latency: 30 ms}"),
        ("constraints: [latency_ms < 30 ms]", "constraints.0: latency is limited under budget"),
        ("constraints: [psnr >= 30]", "constraints.0: psnr_y is known only after training; write it as a gate"),
        ("constraints: [flops <= 30]", "constraints.0: unknown cost or knob 'flops'; did you mean multadds?"),
        ("constraints: [n_feat >= 16]", "constraints.0: unknown cost or knob 'n_feat'; did you mean n_feats?"),
    ],
)  # fmt: skip
def test_a_wrong_quantity_is_answered_with_the_one_that_is_meant(
    tmp_path: Path, more: str, words: str
) -> None:
    assert told(tmp_path, more=more).splitlines()[0].startswith(f"s.yaml:11: {words}")


def test_the_known_names_are_few_and_the_most_similar_first(tmp_path: Path) -> None:
    message = one(tmp_path, more="constraints: [qqqq_blocks_zzzz <= 3]")
    known = re.search(r"known: (.*)", message)
    assert known
    names = known[1].split(", ")
    assert len(names) == 7
    assert re.fullmatch(r"and \d+ more", names[-1])
    assert "blocks" in names[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("steps: 4,", "steps: {},"),
        ("trials: 1", "trials: {}"),
        ("[4, 8]", "{}"),
        ("train: embedded", "train: [{}]"),
        ("train: embedded", "root: {}"),
        ("name: t", "name: {}"),
        ("sampler: random", "sampler: {}"),
        ("sqlite:///t.db", "{}"),
        ("compression: none", "compression: {{values: [none], when: {}}}"),
        ("compression: none", "compression: {{values: [none], {}: 1}}"),
        ("steps: 4,", "steps: 4, '{}': 1,"),
        ("steps: 4,", "steps: 4, learning_rate: [{}],"),
    ],
)
@pytest.mark.parametrize("size", [600, 500_000])
def test_a_long_value_is_cut(tmp_path: Path, old: str, new: str, size: int) -> None:
    """`told` checks that the lines are short."""
    # YAML has no keys of more than 1,024 characters.
    is_key = ": 1" in new
    told(tmp_path, (old, new.format("x" * (min(size, 900) if is_key else size))))


def test_a_wrong_budget_with_a_long_list_is_cut(tmp_path: Path) -> None:
    many = ", ".join(map(str, range(1_000)))
    for more in (f"budget: [{many}]", f"constraints: {{a: [{many}]}}", f"objectives: [{many}]"):
        told(tmp_path, more=more)
    told(tmp_path, ("slwsr: {", f"edsr: [{many}]\n      slwsr: {{"))


def test_faults_are_sorted_by_their_lines(tmp_path: Path) -> None:
    message = told(
        tmp_path,
        ("name: t", "nme: t"),
        ("n_feats:", "n_fets:"),
        ("trials: 1", "trials: 010"),
        ("steps: 4,", "steps: 0, lr: 3,"),
        ("sqlite:///t.db", "x"),
        more="budget: {flops: 1}\nseed: 1\nseed: 2",
    )
    lines = [int(line.split(":")[1]) for line in message.splitlines()]
    assert lines == [3, 6, 7, 8, 8, 10, 11, 13]


def test_a_name_that_a_database_holds_is_still_read(tmp_path: Path) -> None:
    """An earlier version accepted this name."""
    text = config(tmp_path).text.replace("name: t", "name: x.yaml")
    found = parse_config({"metadata": {"sweep": read_stored(text)}}, "stored", stored=True)
    assert found.name == "x.yaml"


def test_control_characters_in_a_key_are_escaped(tmp_path: Path) -> None:
    message = one(tmp_path, ("steps: 4,", 'steps: 4, "a\\e[31m\\nb": 1,'))
    assert message.startswith("s.yaml:8: train.'a\\x1b[31m\\nb': no such key")
    assert os.linesep not in message
