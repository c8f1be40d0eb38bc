"""Tests that overlapping tiles cover each side once and overlap by the right amount."""

import itertools

import pytest

from analysis.export.tiles import spans


@pytest.mark.parametrize(
    ("length", "side", "overlap"),
    list(itertools.product((1, 7, 24, 25, 61, 100), (3, 24), (0, 1, 8))),
)
def test_tiles_cover_a_side_once_and_keep_their_overlap(
    length: int, side: int, overlap: int
) -> None:
    if side <= 2 * overlap:
        with pytest.raises(ValueError, match="side must be above"):
            spans(length, side, overlap)
        return
    found = spans(length, side, overlap)
    kept = [pixel for span in found for pixel in range(span.start, span.stop)]
    assert kept == list(range(length))
    for span in found:
        assert 0 <= span.begin < span.end <= length
        assert span.end - span.begin == min(side, length)
        assert span.begin == 0 or span.start - span.begin >= overlap
        assert span.end == length or span.end - span.stop >= overlap
