"""Images with one rectangle, for tests that it lands where it was."""

from hypothesis import strategies as st


@st.composite
def rectangles(draw, max_side=500):
    """(height, width) of an image, and x1 y1 x2 y2 of a rectangle of at least a third of each side."""
    size = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side)))
    ends = []
    for side in reversed(size):
        extent = draw(st.integers(-(-side // 3), side))
        start = draw(st.integers(0, side - extent))
        ends.append((start, start + extent))
    (x1, x2), (y1, y2) = ends
    return size, (x1, y1, x2, y2)
