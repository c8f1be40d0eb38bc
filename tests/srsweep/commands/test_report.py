"""How `srsweep report` answers a mistake."""

from pathlib import Path

from tests.srsweep.calls import invoke, mistake
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import sweep_file


def test_tiers_of_a_report_name_the_option(tmp_path: Path) -> None:
    file = sweep_file(tmp_path)
    invoke("run", file)
    assert "--tiers: must be a number" in mistake("report", file, "--tiers", "x")
    output = tmp_path / "nowhere" / "r.html"
    assert f"-o: folder {output.parent} does not exist" in mistake("report", file, "-o", output)
    assert not output.parent.exists()
    message = mistake("select", file, "--weights", "psnr_y=2", "--quality", "psnr_y_int8")
    assert "write psnr_y_int8=2" in message


def test_a_report_into_a_folder_is_refused_before_it_is_made(
    small: Database, tmp_path: Path
) -> None:
    words = ("report", "small", "--db", small.url, "-o")
    assert "'-o' / '--output'" in mistake(*words, tmp_path)
    assert mistake(*words, tmp_path / "no" / "a.html").startswith("Error: -o: folder ")
