"""Damage to bytes, as hypothesis draws it: what is cut, lost, doubled or overwritten."""

from hypothesis import strategies as st

Edit = tuple[str, float, int, bytes]
_NUMBERS = [
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\xc3\x50",
]


def edits() -> st.SearchStrategy[list[Edit]]:
    """Draw edits: a kind, where in the file (mostly in its header), how long, what."""
    kinds = st.sampled_from(["set", "cut", "lose", "double", "insert"])
    places = st.floats(0, 1, allow_nan=False).map(lambda share: share**3)
    contents = st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from(_NUMBERS))
    return st.lists(st.tuples(kinds, places, st.integers(1, 64), contents), min_size=1, max_size=5)


def damage(data: bytes, edits: list[Edit]) -> bytes:
    """Apply edits one after the other."""
    for kind, place, length, content in edits:
        start = int(place * len(data))
        before, after = data[:start], data[start:]
        if kind == "set":
            data = before + content + after[len(content) :]
        elif kind == "cut":
            data = before
        elif kind == "lose":
            data = before + after[length:]
        elif kind == "double":
            data = before + after[:length] + after
        else:
            data = before + content + after
    return data
