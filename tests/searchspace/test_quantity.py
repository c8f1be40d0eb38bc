import pytest

from searchspace.errors import UserError
from searchspace.quantity import format_duration, format_quantity, parse_quantity, round_numbers


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (3, 3),
        (0.5, 0.5),
        ("1e-4", 1e-4),  # PyYAML reads it as a string
        ("150k", 150_000),
        ("40G", 40 * 10**9),
        ("40e9", 40 * 10**9),
        ("2_000", 2000),
        ("1.5M", 1_500_000),
        ("1.001M", 1_001_000),  # 1000999.9999999999 in floats
        (" 7 ", 7),
    ],
)
def test_numbers_are_read_as_people_write_them(written: object, meant: float) -> None:
    assert parse_quantity(written) == meant


def test_whole_numbers_become_integers() -> None:
    assert isinstance(parse_quantity("4e3"), int)
    assert isinstance(parse_quantity(2.0), int)


@pytest.mark.parametrize(
    "written", ["", "k", "3 apples", "1e", None, True, [3], float("nan"), "1e400", 10**400]
)
def test_anything_but_a_finite_number_is_refused(written: object) -> None:
    with pytest.raises(UserError, match="must be"):
        parse_quantity(written)


def test_formatting_keeps_four_digits_and_a_suffix() -> None:
    assert format_quantity(143_731) == "143.7K"
    assert format_quantity(10_184_601_600) == "10.18G"
    assert format_quantity(12) == "12"


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (20, 1_000, [20, 50, 100, 200, 500, 1_000]),
        (0.3, 3, [0.5, 1, 2]),
        (6, 7, []),
        (5, 5, [5]),
    ],
)
def test_round_numbers_begin_with_one_two_or_five(
    low: float, high: float, found: list[float]
) -> None:
    assert round_numbers(low, high) == found


def test_the_digits_of_round_numbers_are_a_choice() -> None:
    assert round_numbers(9, 30, (1.0, 1.5, 3.0)) == [10, 15, 30]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5_340, "89 min"), (11_100, "3 h 05 min")],
)
def test_a_duration_is_shown_in_its_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
