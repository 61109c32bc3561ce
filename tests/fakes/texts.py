"""Texts and JSON that strangers send."""

from hypothesis import strategies as st

NASTY = (
    *(
        "",
        "\r",
        "\n",
        "\r\n",
        "\0",
        "a\0b",
        "\x01",
        "\ud800",
        "\udfff\ud800",
        "\x1b[2J",
    ),
    *(r"\N", r"\.", '"', "'", ",", "\\", r"\u0000", r"\\u0000", "%s", "{x}", "\x9b"),
    *("=1+1", "\u202egnp.exe", "<script>alert(1)</script>", "\u2028", "🙂", "\ufeff"),
    *("x" * 100_000, "\0" * 100_000, "\r\n" * 50_000, "\ud800" * 100_000),
)
ANY_TEXT = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=6,
)


def nested(levels: int, *, as_dict: bool = False):
    value = 1.0
    for _ in range(levels):
        value = {"a": value} if as_dict else [value]
    return value
