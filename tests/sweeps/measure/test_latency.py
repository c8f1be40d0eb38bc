import pytest

from sweeps.measure.latency import Setting, measure


def test_latency_is_the_median_after_warming_up() -> None:
    ticks = iter([0, 0.001, 0, 0.002, 0, 0.003, 0, 0.004, 0, 0.050] * 2)
    setting = Setting(
        runtime="torch", dtype="float32", height=180, width=320, threads=2, device="A" * 60
    )
    ran = []
    found = measure(
        lambda: ran.append(1),
        setting,
        warm_up=2,
        least_runs=5,
        most_runs=5,
        clock=lambda: next(ticks),
    )
    assert (found.median, found.lower, found.upper) == pytest.approx((3, 2, 4))
    assert len(ran) == 7
    assert setting.name == "latency_ms torch float32 320x180 2 threads"
    assert len(setting.dataset) == 50
