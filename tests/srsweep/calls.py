"""Calls `srsweep` as the shell does."""

from click.testing import CliRunner, Result

from srsweep.cli import main


def invoke(*words: object) -> Result:
    """Runs a command, whatever its exit code."""
    return CliRunner().invoke(main, [str(word) for word in words])


def succeed(*words: object, code: int = 0) -> Result:
    """Runs a command that must exit with `code`."""
    result = invoke(*words)
    assert result.exit_code == code, result.output
    return result


def mistake(*words: object) -> str:
    """Returns the one line on stderr that answers a user's mistake."""
    result = succeed(*words, code=2)
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    # click puts its usage above the mistakes that it finds itself.
    if lines[0].startswith("Usage:"):
        lines = lines[3:]
    assert len(lines) == 1, result.stderr
    return lines[0]
