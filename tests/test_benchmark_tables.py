"""The lines that benchmarks/table.py makes of an evaluation's rows."""

from benchmarks.table import evaluation


def row(loop: str, threads: int, seconds: float, rate: float) -> dict[str, str]:
    return {
        "network": "net",
        "images": "20",
        "loop": loop,
        "processes": "2" if loop == "srsweep" else "1",
        "threads": str(threads),
        "seconds": str(seconds),
        "images_per_second": str(rate),
    }


def test_all_cores_and_processor_time_of_one_thread_are_a_line_each() -> None:
    rows = [row("plain", 2, 9, 10), row("plain", 1, 3, 7), row("srsweep", 1, 2, 30)]
    assert list(evaluation(rows)) == [
        "| evaluation, net, 20 images, all cores | 10 images/s | 30 images/s | 3.00x (one round) |",
        "| evaluation, net, 20 images, processor time | 3 s | 2 s | 1.50x (one round) |",
    ]


def test_a_gpu_has_no_line_of_one_thread() -> None:
    (line,) = evaluation([row("plain", 16, 1, 10), row("srsweep", 1, 0.1, 90)])
    assert "all cores | 10 images/s | 90 images/s | 9.00x" in line


def test_rows_without_threads_are_of_one() -> None:
    rows = [row("plain", 1, 3, 7), row("srsweep", 1, 2, 30)]
    for each in rows:
        del each["threads"], each["processes"], each["images_per_second"]
    (line,) = evaluation(rows)
    assert line.endswith("processor time | 3 s | 2 s | 1.50x (one round) |")
