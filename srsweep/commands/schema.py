"""The command `schema`: prints the JSON schema of sweep files."""

import json
from pathlib import Path

import click

from searchspace.errors import UserError
from srsweep.options import ExpandedPath, check_folder_of
from sweeps.config.json_schema import TITLE, sweep_schema
from sweeps.files import write_text


@click.command()
@click.option(
    "-o",
    "--output",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    help="File to write. Default: print the schema.",
)
def schema(output: Path | None) -> None:
    """Print the JSON schema of sweep files.

    An editor with the YAML language server uses the schema to complete keys, to explain them, and to underline
    mistakes. The editor finds the schema through the first line of the sweep file. `srsweep init` writes that line. -o
    overwrites an existing file only if that file is an srsweep schema.

    \b
    srsweep schema -o sweep.schema.json
    # yaml-language-server: $schema=sweep.schema.json
    """
    if output is None:
        click.echo(json.dumps(sweep_schema(), indent=1))
        return
    check_folder_of("-o", output)
    click.echo(write_schema(output))


def write_schema(path: Path) -> str:
    """Writes the schema to `path` and returns a line that reports it. An older schema is replaced.

    Raises UserError if there is another file at `path`.
    """
    text = json.dumps(sweep_schema(), separators=(",", ":")) + "\n"
    old = path.is_file()
    if old:
        _refuse_other(path)
    write_text(path, text)
    return f"{'replaced the schema' if old else 'wrote'} {path}"


def _refuse_other(path: Path) -> None:
    """Raises UserError if the file at `path` is not a schema that srsweep wrote."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("title") != TITLE:
        raise UserError(f"{path}: is not a schema of srsweep, so it stays; name another file")
