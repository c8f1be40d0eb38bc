"""`srsweep doctor` shows what is there, says how to get what is not, and fails only for a problem."""

import json
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from srsweep import doctor
from sweeps.store.schema import REVISION
from tests.srsweep.calls import succeed
from tests.stored import Database

SECRET = "S3cr%40tPW"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    monkeypatch.delenv("SRSWEEP_DB", raising=False)


def found(*words: str, code: int = 0) -> dict[str, tuple[str, str]]:
    """The state and the detail of each part."""
    rows = json.loads(succeed("doctor", "--json", *words, code=code).stdout)
    return {row["part"]: (row["state"], row["detail"]) for row in rows}


def test_an_empty_folder_has_no_problem_and_every_part_is_named() -> None:
    parts = found()
    assert "problem" not in {state for state, _ in parts.values()}
    assert parts["database"] == (
        "missing",
        "sqlite:///results.db does not exist yet; the first sweep makes it",
    )
    told = "no folder data, where srsweep looks for sets by name, such as data/DIV2K"
    assert parts["image sets"] == ("missing", told)
    assert parts["embedded images"] == ("ok", "9 photographs of scikit-image")
    assert {"Python", "srsweep", "torch", "processor", "GPUs", "terminal"} <= parts.keys()
    extras = {part.removeprefix("extra ") for part in parts if part.startswith("extra ")}
    assert extras >= {"cluster", "postgresql", "export", "dashboard"}
    assert "dev" not in extras
    assert list(Path.cwd().iterdir()) == []


def test_the_screen_has_a_line_for_each_part() -> None:
    lines = succeed("doctor").stdout.splitlines()
    assert len(lines) == len(found())
    assert lines[0].startswith("ok Python ")
    assert any(line.startswith("-  database ") for line in lines)


def test_a_database_is_counted_and_has_a_revision(small: Database) -> None:
    state, detail = found("--db", small.url)["database"]
    assert state == "ok"
    assert detail.endswith(f"revision {REVISION}, 1 sweep, 6 trials")


def test_a_problem_ends_the_command_with_code_1_and_its_reason() -> None:
    Path("results.db").write_text("no database")
    assert found(code=1)["database"][0] == "problem"
    result = succeed("doctor", code=1)
    assert "!! database          storage: cannot read sqlite:///results.db" in result.stdout
    assert result.stderr.startswith("Error: database: storage: cannot read sqlite:///results.db: ")


def test_a_server_that_does_not_answer_is_a_problem_and_no_password_is_shown() -> None:
    result = succeed("doctor", "--db", f"postgresql://bob:{SECRET}@127.0.0.1:1/x", code=1)
    assert "Error: database: storage: " in result.stderr
    assert "S3cr" not in result.output


def test_image_sets_are_listed() -> None:
    folder = Path("images/Mine")
    folder.mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "0.png")
    assert found("--root", "images")["image sets"] == ("ok", "in images: Mine")
    Path("empty").mkdir()
    assert found("--root", "empty")["image sets"] == ("missing", "none in empty")


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        ("numpy>=2.0", ""),
        ("numpy>=999", "numpy>=999 is needed, got "),
        ("srsweep-needs-no-such-package", "srsweep-needs-no-such-package is not installed"),
        ("ray[tune]>=2", ""),
    ],
)
def test_a_package_is_missing_too_old_or_there(wanted: str, fault: str) -> None:
    told = doctor._fault(Requirement(wanted))
    assert told.startswith(fault)
    assert bool(told) == bool(fault)


def test_packages_that_an_extra_of_a_package_needs_count(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = {"ray": ['no-such-package; extra == "default"', "numpy"]}
    monkeypatch.setattr(doctor.metadata, "requires", needs.get)
    assert doctor._fault(Requirement("ray[default]")) == "no-such-package is not installed"
    assert doctor._fault(Requirement("ray")) == ""


def test_an_extra_that_is_not_installed_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs = {"srsweep": ['no-such-package>=1; extra == "phone"', "numpy>=999"]}
    monkeypatch.setattr(doctor.metadata, "requires", needs.get)
    finding = doctor._extra("phone")
    assert finding.state == "missing"
    expected = "no-such-package is not installed; `pip install 'srsweep[phone]'`"
    assert finding.detail == expected
    required = doctor._required()
    assert required.state == "problem"
    assert required.detail.endswith("; `pip install 'numpy>=999'`")


def test_a_copy_that_is_not_installed_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISTRIBUTION", "srsweep-that-nobody-installed")
    parts = found(code=1)
    assert parts["srsweep"] == ("problem", doctor.BARE)
    assert not any(part.startswith("extra") for part in parts)


def test_a_driver_without_a_gpu_in_torch_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor, "DRIVER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert doctor._gpus().state == "problem"
    assert "torch finds no GPU; " in doctor._gpus().detail
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert doctor._gpus().state == "missing"
    monkeypatch.setattr(doctor, "DRIVER", tmp_path / "none")
    assert doctor._gpus().detail == "none; trials run on the processor"


def test_a_folder_that_cannot_be_written_is_a_problem() -> None:
    assert doctor._folder(Path.cwd()).state == "ok"
    assert doctor._folder(Path("none")).state == "problem"


def test_an_older_python_is_a_problem() -> None:
    assert doctor._python(">=3.11").state == "ok"
    assert doctor._python(">=99").detail.endswith("; srsweep needs >=99")
