"""Where `srsweep export-optuna` writes."""

from pathlib import Path

from tests.srsweep.calls import mistake, succeed
from tests.stored import Database


def test_a_study_goes_into_a_folder_that_is_there(small: Database, tmp_path: Path) -> None:
    words = ("export-optuna", "small", "--db", small.url, "-o")
    assert mistake(*words, tmp_path / "no" / "a.db").startswith("Error: -o: folder ")
    (tmp_path / "a folder").mkdir()
    succeed(*words, tmp_path / "a folder" / "a study.db")
    assert (tmp_path / "a folder" / "a study.db").is_file()
