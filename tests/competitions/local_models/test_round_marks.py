"""The part of a log that belongs to a round is what stands between its marks."""

import pytest

from competitions.local_models.log_pages import LARGEST_PAGE_BYTES, read_round
from competitions.local_models.round_marks import is_mark, part_of_round

A = "[round 7: predict]\n"
A_END = "[round 7: predict ended]\n"
B, B_END = A.replace("7", "71"), A_END.replace("7", "71")


@pytest.mark.parametrize(
    ("log", "part"),
    [
        ("", None),
        ("starting\n", None),
        (f"starting\n{A}x\n{A_END}rest\n", f"{A}x\n{A_END}"),
        (f"{A}no line end{A_END}rest\n", f"{A}no line end{A_END}"),
        (f"{B}x\n{B_END}", None),  # 71 is not 7
        (f"{A}1\n{A_END}between\n{A}2\n{A_END}", f"{A}1\n{A_END}{A}2\n{A_END}"),
        (f"{A}hangs\n{B}x\n{B_END}", f"{A}hangs\n"),
        (f"{A}hangs\ndump of threads\n", f"{A}hangs\ndump of threads\n"),
        (f"x\n{A_END}{B}y\n", None),  # its beginning is no longer there
        (f"{A}1\n{A}2\n{A_END}", f"{A}1\n{A}2\n{A_END}"),
    ],
)
def test_a_round_s_part_is_between_its_marks(log, part):
    found = part_of_round(log.encode(), 7)
    assert (found and found.decode()) == part


def test_a_line_that_a_model_says_is_no_mark():
    assert is_mark("[round 7: predict]")
    assert is_mark("[round 7: predict ended]")
    for line in ("", "[round 7]", "[round 7: predict] x", "x [round 7: predict]"):
        assert not is_mark(line)


def test_a_round_is_read_in_pages_and_across_both_files(tmp_path):
    log = tmp_path / "m.log"
    lines = [f"line {n} " + "x" * 90 for n in range(2_000)]
    text = A + "\n".join(lines) + "\n" + A_END
    half = text.index("line 900 ")
    log.with_name("m.log.1").write_text("before\n" + text[:half])
    log.write_text(text[half:] + "after\n")
    told, cursor, pages = "", "", 0
    while True:
        page = read_round(log, 7, cursor)
        assert len(page.text) <= LARGEST_PAGE_BYTES
        told, cursor, pages = told + page.text, page.cursor, pages + 1
        if page.is_end:
            break
    assert (told, pages > 1) == (text, True)
    for odd in ("x", "-1", "9" * 60):
        assert read_round(log, 7, odd).text.startswith(A)
    assert read_round(log, 8) is None
    assert read_round(tmp_path / "none.log", 7) is None
