"""The commands `device push`, `device run` and `device pull`: time exported files on a phone or another device."""

import re
import tempfile
from pathlib import Path

import click

from analysis.device import adb
from analysis.device.here import time_here
from analysis.device.programs import PROGRAMS
from analysis.device.results import Result, Results, as_csv, read_results, words_of
from analysis.device.script import (
    RESULTS,
    RUNS,
    SCRIPT,
    WRONG,
    Kit,
    build_in,
    files_of,
    image_size,
    prepare,
)
from searchspace.errors import UserError
from srsweep.errors import RunFailed, say
from srsweep.options import REPLACE, SIZE, THREADS, ExpandedPath, check_new, size_of
from sweeps.files import digest_of, write_text

FOLDER = click.argument("folder", type=ExpandedPath(path_type=Path, file_okay=False))
SERIAL = click.option(
    "-s",
    "--serial",
    metavar="SERIAL",
    help="Serial number of the device, as `adb devices` lists it. Default: the only connected device.",
)
NO_ADB = click.option(
    "--no-adb",
    is_flag=True,
    help="Do not use adb, even if it is installed. You copy the folder to the device yourself.",
)
NO_ADB_FOR_RESULTS = click.option(
    "--no-adb",
    is_flag=True,
    help="Do not use adb, even if it is installed. Read FOLDER/results, which you have copied back yourself.",
)
RESULTS_HERE = "results-here"
"""Subfolder of FOLDER for the results of `run --here`. It keeps them apart from results that a person copies back from
a device."""
LONGEST = 40
"""Maximum number of characters that the folder on the device takes over from FOLDER's name."""


@click.command()
@FOLDER
@click.option(
    "--program",
    "programs",
    type=ExpandedPath(path_type=Path),
    multiple=True,
    required=True,
    metavar="PATH",
    help=f"The runtime's benchmark program, built for the device: one of {', '.join(PROGRAMS)}. Repeat the "
    "option for its "
    "libraries. If you give only a name, the device looks the program up in its PATH.",
)
@SIZE
@SERIAL
@NO_ADB
def push(
    folder: Path, programs: tuple[Path, ...], size: str | None, serial: str | None, no_adb: bool
) -> None:
    """Copy exported files and a benchmark program to a device.

    FOLDER holds files from `srsweep device design` or `srsweep export`. Only files that the benchmark program can run are
    copied. The command also writes `run.sh`, a script that times the files, to FOLDER.

    Without adb, the program is also copied into FOLDER. In that case, copy FOLDER to the device yourself, run
    `sh run.sh` in it, and copy FOLDER/results back.

    \b
    srsweep device push bench --program ./benchmark_model
    srsweep device push bench --program ./MNNV2Basic.out --program ./libMNN.so -s 0A1B2C3D
    """
    kit = prepare(folder, programs, None if size is None else size_of(size, 1))
    if no_adb or not adb.is_installed():
        delegates = ", ".join(kit.program.delegates)
        say(f"{folder}: ready for {len(kit.files)} files, {kit.program.name}")
        say(f"1. copy the folder {folder} to the device")
        say(f"2. run there: sh {SCRIPT} DELEGATE THREADS (DELEGATE: {delegates})")
        say(f"3. bring its folder {RESULTS} back into {folder}, and call `srsweep device pull`")
        return
    _push(kit, _connected(serial))


def _connected(serial: str | None) -> adb.Device:
    """Returns the device to use. Raises UserError if there is none, and RunFailed if adb itself fails."""
    try:
        return adb.connected(serial)
    except adb.AdbFailed as error:
        raise RunFailed(str(error)) from None


def _push(kit: Kit, device: adb.Device) -> None:
    remote = _remote(kit.folder)
    try:
        device.shell("mkdir", "-p", remote)
        device.push(kit.contents, remote)
    except adb.AdbFailed as error:
        raise RunFailed(f"{device.serial}: {error}") from None
    say(f"{device.serial}: copied {len(kit.files)} files and {kit.program.name} to {remote}")


def _remote(folder: Path) -> str:
    """Returns the folder on the device for `folder`.

    Different folders of this computer get different folders on the device.
    """
    whole = folder.resolve()
    name = re.sub(r"[^\w.-]", "_", whole.name, flags=re.ASCII)[:LONGEST]
    return f"{adb.ROOM}/{name}-{digest_of(str(whole).encode())[:8]}"


@click.command()
@FOLDER
@click.option(
    "--delegate",
    metavar="NAME",
    help="Backend (delegate), as the benchmark program names it: xnnpack, gpu, nnapi, npu, opencl, vulkan "
    "or cpu. Default: the program's usual backend, xnnpack or cpu.",
)
@THREADS
@click.option(
    "--runs",
    type=click.IntRange(1, 100_000),
    default=RUNS,
    show_default=True,
    help="Number of timed runs of each file. With --here, srsweep chooses the number itself.",
)
@click.option("--again", is_flag=True, help="Also time files that already have a result.")
@click.option(
    "--here",
    is_flag=True,
    help="Time the files on this machine with the Python packages of their runtimes. No program is needed.",
)
@SIZE
@SERIAL
def run(  # noqa: PLR0913 - one parameter an option
    folder: Path,
    delegate: str | None,
    threads: int,
    runs: int,
    again: bool,
    here: bool,
    size: str | None,
    serial: str | None,
) -> None:
    """Time the files that `srsweep device push` copied to the device.

    If the command stops midway, run it again: files that already have a result are skipped. Results are kept separately
    for each delegate and thread count. To try another delegate or thread count, run the command again with --delegate
    or --threads.

    \b
    srsweep device run bench --delegate gpu --threads 4
    srsweep device run bench --here
    """
    if here:
        _run_here(folder, threads, None if size is None else size_of(size, 1), again, delegate)
        return
    if size is not None:
        raise UserError("--size: must be given to `srsweep device push`, or with --here")
    device = _connected(serial)
    remote = _remote(folder)
    words = ["sh", f"{remote}/{SCRIPT}", delegate or "", str(threads), str(runs)]
    code = device.follow(*words, *(["again"] if again else []), say=say)
    if code:
        raise RunFailed(_why(device, code, remote))


def _why(device: adb.Device, code: int, remote: str) -> str:
    """Returns a line that explains why the script ended with this exit code."""
    if code == WRONG:
        return f"{device.serial}: not started; see the line above"
    if code in (2, 127):  # shells differ in the code for a script that does not exist
        return f"{device.serial}: {remote} has no {SCRIPT}; call `srsweep device push` first"
    return (
        f"{device.serial}: not all files were timed (exit code {code}); the same command continues, and "
        "`srsweep device pull` fetches the results so far"
    )


def _run_here(
    folder: Path, threads: int, size: tuple[int, int] | None, again: bool, delegate: str | None
) -> None:
    if delegate is not None:
        raise UserError("--delegate: must be left out with --here, which uses the runtimes' own")
    names = files_of(folder)
    paths = [folder / name for name in names]
    timed = time_here(
        paths, image_size(folder, names, size), threads, folder / RESULTS_HERE, again=again
    )
    for number, (path, latency) in enumerate(timed, start=1):
        told = "timed before" if latency is None else f"{latency.median:.2f} ms"
        if latency is not None and latency.doubt:
            told += f", unreliable: {latency.doubt}"
        say(f"{number}/{len(paths)} {path.name}: {told}")


@click.command()
@FOLDER
@click.option(
    "-o",
    "--output",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    help="The CSV file to write. Default: latencies.csv in FOLDER.",
)
@click.option(
    "--device",
    metavar="NAME",
    help="Name of the device, such as 'Pixel 9'. Default: the model name that the device reports.",
)
@click.option("--runtime", metavar="NAME", help="Runtime and its version, such as 'LiteRT 2.3'.")
@REPLACE
@click.option("--here", is_flag=True, help="Read the results of `srsweep device run --here`.")
@SERIAL
@NO_ADB_FOR_RESULTS
def pull(  # noqa: PLR0913 - one parameter an option
    folder: Path,
    output: Path | None,
    device: str | None,
    runtime: str | None,
    replace: bool,
    here: bool,
    serial: str | None,
    no_adb: bool,
) -> None:
    """Read the results of `srsweep device run`, and write a CSV file that `latency import` reads.

    The results come from the connected device. Without adb, they come from the folder `results` in
    FOLDER, which you have copied back from the device.

    The CSV file holds the median and, if the program reports them, the quartiles. If a program reports only the
    mean, the runtime's name gets the suffix "(mean)", so that means and medians never mix.

    \b
    srsweep device pull bench --runtime "LiteRT 2.3" -o pixel.csv
    srsweep latency import pixel.csv
    """
    if output is None and not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; name the one of `srsweep device push`")
    output = output or folder / "latencies.csv"
    check_new("--output", output, replace=replace)
    read, model = _fetched(folder, serial, here=here, local=no_adb or not adb.is_installed())
    for fault in read.faults:
        say(f"left out: {fault}", err=True)
    for each in read.read:
        if each.doubt:
            say(f"{each.file}: unreliable: {each.doubt}", err=True)
    if not read.read:
        raise RunFailed(f"{folder}: no file was timed")
    write_text(output, as_csv(read.read, device or words_of(model), runtime or ""))
    say(f"{output}: {_counted(read.read)}")


def _fetched(folder: Path, serial: str | None, *, here: bool, local: bool) -> tuple[Results, str]:
    """Returns the results and the model name of the device.

    The name is '' if the results do not come from a connected device.
    """
    if here or local:
        own = None if here else build_in(folder)
        return read_results(folder / (RESULTS_HERE if here else RESULTS), own), ""
    found = _connected(serial)
    with tempfile.TemporaryDirectory() as aside:
        try:
            found.pull(f"{_remote(folder)}/{RESULTS}", Path(aside))
            model = found.shell("getprop", "ro.product.model").strip()
        except adb.AdbFailed as error:
            raise RunFailed(
                f"{found.serial}: {error}; call `srsweep device push` and `srsweep device run` first"
            ) from None
        return read_results(Path(aside) / RESULTS, build_in(folder)), model


def _counted(results: list[Result]) -> str:
    conditions = sorted({f"{each.delegate}, {each.threads} threads" for each in results})
    return f"{len(results)} latencies ({'; '.join(conditions)})"
