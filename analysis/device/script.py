"""Writes `run.sh`, the shell script that times the files of a folder with a benchmark program on a device.

The script runs in the shells of Android and Linux. It skips files that it has already timed, so the same command
resumes after an interruption. Each result is written to a temporary file and then renamed, so an interruption leaves no
partial result.
"""

import json
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.device.programs import PROGRAMS, Program, program_of
from analysis.device.results import FAILED
from analysis.export.files import named, target_of
from searchspace.cost import low_res_size
from searchspace.errors import UserError
from sweeps.files import digest_of, digest_of_file, write_text, written_beside

SCRIPT = "run.sh"
RESULTS = "results"
"""Folder beside the script into which the script writes its results."""
RUNS = 50
"""Default number of runs of each file."""
CANNOT_WRITE, WRONG = 3, 64
"""Exit codes of the script for two failures: a result cannot be written, and the arguments are wrong."""

BUILD = re.compile(r'"build": "(\w*)"')
"""Matches the build of the program in a script, where no backslash precedes the quotes."""

MADE = "Usage: sh run.sh [DELEGATE [THREADS [RUNS [again]]]]"
"""Words by which srsweep recognises its own scripts."""

TEXT = """\
#!/bin/sh
# Times each file with {name}. Usage: sh run.sh [DELEGATE [THREADS [RUNS [again]]]]
# DELEGATE: {delegates}. Without the word again, a file with a result of this build of {name} is not timed again.
# Then bring the folder {results} back, and call: srsweep device pull FOLDER
cd "$(dirname "$0")" || exit {cannot_write}
delegate=${{1:-{default}}} threads=${{2:-1}} runs=${{3:-{runs}}} again=$4 width={width} height={height}
for number in "$threads" "$runs"; do
    case $number in
    0* | *[!0-9]*) echo "srsweep: threads and runs must be whole numbers from 1" >&2; exit {wrong} ;;
    esac
done
case $delegate in
{cases}
*) echo "srsweep: the delegate must be one of {delegates}" >&2; exit {wrong} ;;
esac
LD_LIBRARY_PATH=.:$LD_LIBRARY_PATH
export LD_LIBRARY_PATH
folder={results}/$delegate-$threads-${{width}}x$height
full() {{
    echo "srsweep: cannot write to $folder; is the device full?" >&2
    exit {cannot_write}
}}
mkdir -p "$folder" || full
{chmod}
number=0 failed=0
for file in {files}; do
    number=$((number + 1))
    out=$folder/$file.txt
    if [ -z "$again" ] && grep -q '{build}' "$out" 2>/dev/null; then
        echo "srsweep $number/{total} $file: timed before"
        continue
    fi
    code=0
    {{
        printf '%s' '{mark}' && echo "{conditions}" || full
        {call}
        echo "srsweep exit code $code" || full
    }} > "$out.part" || full
    if [ $code = 0 ]; then
        mv "$out.part" "$out" || full
        rm -f "$out{failed}"
        echo "srsweep $number/{total} $file: timed"
    else
        mv "$out.part" "$out{failed}" || full
        failed=$((failed + 1))
        echo "srsweep $number/{total} $file: {name} failed with exit code $code"
    fi
done
echo "srsweep: $((number - failed)) of $number files timed"
[ $failed = 0 ]
"""


@dataclass(frozen=True, kw_only=True)
class Kit:
    """A folder that can be copied to a device. It holds files, a script and, unless the device has one, a program."""

    folder: Path
    program: Program
    files: tuple[str, ...]
    """Names of the files to time."""
    own: tuple[str, ...]
    """Names of the program and its libraries in the folder. Empty if the device has the program in its PATH."""
    size: tuple[int, int]
    """Height and width of the image."""
    build: str
    """Digits that differ between builds of the program and its libraries. '' if the device has the program."""

    @property
    def contents(self) -> list[Path]:
        """The paths of all files that the device needs."""
        return [self.folder / name for name in (SCRIPT, *self.own, *self.files)]


def prepare(folder: Path, programs: Sequence[Path], size: tuple[int, int] | None) -> Kit:
    """Writes the script into `folder`, beside the exported files, and copies the program and its libraries there.

    The first of `programs` is the program, and the others are its libraries. A bare name such as litert-benchmark that
    is not a file on this machine is looked up in the PATH of the device. Only files of the program's runtime are timed.
    `size` is the (height, width) of the input image. If it is None, it is the fixed input size of the files. If no file has
    one, it is the size that gives a 1280x720 output.

    Raises UserError if a file or a program is missing, if the files have different fixed input sizes or one does not accept
    `size`, or if the folder has a `run.sh` that srsweep did not write.
    """
    program = program_of(programs[0])
    on_device = programs[0].name == str(programs[0]) in PROGRAMS and not programs[0].is_file()
    for path in programs[1 if on_device else 0 :]:
        if not path.is_file():
            raise UserError(f"--program: there is no file {path}; {program.name}: {program.source}")
    files = files_of(folder, program.runtime)
    _refuse_other_script(folder / SCRIPT)
    size = image_size(folder, files, size)
    own = [] if on_device else [program.name]
    own += [path.name for path in programs[1:]]
    for name, path in zip(own, programs[1 if on_device else 0 :], strict=True):
        if not (folder / name).exists() or not (folder / name).samefile(path):
            with written_beside(folder / name) as copy:
                shutil.copyfile(path, copy)
        (folder / name).chmod(0o755)
    build = digest_of("".join(map(digest_of_file, (folder / name for name in own))).encode())[:8]
    kit = Kit(
        folder=folder,
        program=program,
        files=files,
        own=tuple(own),
        size=size,
        build=build if own else "",
    )
    write_text(folder / SCRIPT, script(kit), mode=0o777)
    return kit


def _refuse_other_script(path: Path) -> None:
    """Raises UserError if `path` exists and was not written by `prepare`."""
    if path.is_file() and MADE not in path.read_text(encoding="utf-8", errors="replace"):
        raise UserError(f"{path}: is not a script of srsweep; move it away")


def files_of(folder: Path, runtime: str = "") -> tuple[str, ...]:
    """Returns the names of the exported files in `folder` for `runtime`, or for any runtime if `runtime` is ''.

    Raises UserError if there are none, or if a file no longer has the name that srsweep gave it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; `srsweep device design` makes one")
    found, others = [], set()
    for path in sorted(folder.iterdir()):
        target = target_of(path)
        if target is None or named(path) is None:
            continue
        if runtime in ("", target.runtime):
            found.append(path.name)
        others.add(target.runtime)
    if not found:
        has = f"only files for {', '.join(sorted(others))}" if others else "no exported file"
        raise UserError(f"{folder}: has {has}; {runtime or 'srsweep export'} needs others")
    return tuple(found)


def image_size(folder: Path, files: Sequence[str], size: tuple[int, int] | None) -> tuple[int, int]:
    """Returns the (height, width) of the image for timing all `files`: `size` if it is given, otherwise the default of
    `prepare`.

    Raises UserError if a file does not accept this size, or if the files have different fixed sizes.
    """
    for name in files:
        told = named(folder / name)
        assert told is not None
        own = told.size or (None if size else low_res_size(told.scale))
        if size is not None and own is not None and own != size:
            raise UserError(
                f"{folder / name}: is for images of {own[1]}x{own[0]} pixels, not {size[1]}x{size[0]}; "
                "keep files of each size in a folder of their own"
            )
        size = size or own
    assert size is not None
    return size


def script(kit: Kit) -> str:
    """Returns the text of the script that times the files of `kit`."""
    program = kit.program
    height, width = kit.size
    conditions = {
        "program": program.name,
        "build": kit.build,
        "size": f"{width}x{height}",
        "delegate": "$delegate",
    }
    written = json.dumps(conditions)[:-1] + ', "threads": $threads}'
    return TEXT.format(
        name=program.name,
        call=_call(kit),
        delegates=", ".join(program.delegates),
        default=next(iter(program.delegates)),
        cases="\n".join(f'{name}) flags="{flags}" ;;' for name, flags in program.delegates.items()),
        files=" ".join(map(shlex.quote, kit.files)),
        total=len(kit.files),
        chmod=f"chmod +x ./{program.name} 2>/dev/null" if kit.own else "",
        conditions=written.replace('"', '\\"'),
        build=f'"build": "{kit.build}"',
        mark="srsweep ",
        failed=FAILED,
        results=RESULTS,
        runs=RUNS,
        width=width,
        height=height,
        cannot_write=CANNOT_WRITE,
        wrong=WRONG,
    )


def build_in(folder: Path) -> str | None:
    """Returns the build of the program that the script in `folder` calls.

    Returns None if the folder has no script, or if the script states no build.
    """
    try:
        text = (folder / SCRIPT).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = BUILD.search(text)
    return found[1] if found else None


def _call(kit: Kit) -> str:
    """Returns the line of the script that calls the program.

    If the program writes its times to the system's log, the line reads them from there.
    """
    program = kit.program
    path = f"./{program.name}" if kit.own[:1] == (program.name,) else program.name
    called = f"{path} {program.words} 2>&1"
    if not program.log:
        return f"{called} || code=$?"
    log = f"logcat -d --pid=$pid -v raw -s {program.log}"
    return f"{called} & pid=$!; wait $pid || code=$?; command -v logcat > /dev/null && {log}"
