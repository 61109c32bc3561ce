"""Edited files and an edited site: who changed a value decides what becomes of it."""

from hypothesis import given
from hypothesis import strategies as st

from competitions.scaffold.merging import merge, remembered

ONE = {"every": 15, "ahead": 60, "active": True}


def fields(differences):
    return [(d.place, d.field, d.site, d.files) for d in differences]


def sorted_out(before, site, files):
    found = merge(before=before, site=site, files=files)
    return fields(found.taken), fields(found.asked), fields(found.standing)


def test_nothing_differs():
    assert sorted_out({"a": ONE}, {"a": ONE}, {"a": ONE}) == ([], [], [])


def test_an_edit_of_the_files_alone_is_taken():
    files = {"a": {**ONE, "every": 30}}
    taken = [("a", "every", 15, 30)]
    assert sorted_out({"a": ONE}, {"a": ONE}, files) == (taken, [], [])


def test_an_edit_on_the_site_alone_stands_though_another_value_is_taken():
    site, files = {"a": {**ONE, "every": 20}}, {"a": {**ONE, "ahead": 90}}
    found = sorted_out({"a": ONE}, site, files)
    assert found == ([("a", "ahead", 60, 90)], [], [("a", "every", 20, 15)])


def test_an_edit_on_both_sides_is_asked():
    site, files = {"a": {**ONE, "every": 20}}, {"a": {**ONE, "every": 30}}
    assert sorted_out({"a": ONE}, site, files) == ([], [("a", "every", 20, 30)], [])


def test_the_same_edit_on_both_sides_is_no_difference():
    both = {"a": {**ONE, "every": 30}}
    assert sorted_out({"a": ONE}, both, both) == ([], [], [])


def test_what_was_never_compared_is_asked():
    files = {"a": {**ONE, "every": 30}}
    assert sorted_out({}, {"a": ONE}, files) == ([], [("a", "every", 15, 30)], [])


def test_a_new_schedule_is_taken_whole_and_one_of_the_site_is_left_alone():
    taken, *rest = sorted_out({"a": ONE}, {"a": ONE, "mine": ONE}, {"a": ONE, "b": ONE})
    assert taken == [("b", name, None, value) for name, value in ONE.items()]
    assert rest == [[], []]


def test_a_schedule_that_the_files_no_longer_have_is_stopped():
    stopped = [("a", "active", True, False)]
    assert sorted_out({"a": ONE}, {"a": ONE}, {}) == (stopped, [], [])
    site = {"a": {**ONE, "active": False}}
    assert sorted_out({"a": ONE}, site, {}) == ([], [], [])


def test_what_is_open_is_asked_again_until_it_is_decided():
    before, site = {"a": ONE}, {"a": {**ONE, "every": 20}}
    files = {"a": {**ONE, "every": 30}}
    found = merge(before=before, site=site, files=files)
    kept = remembered(before=before, files=files, open_=found.asked)
    assert kept == {"a": ONE}
    assert merge(before=kept, site=site, files=files).asked == found.asked
    settled = remembered(before=before, files=files, open_=[])
    again = merge(before=settled, site=site, files=files)
    assert (again.asked, fields(again.standing)) == ([], [("a", "every", 20, 30)])


_values = st.dictionaries(
    st.sampled_from(["", "a", "b"]),
    st.fixed_dictionaries(
        {"every": st.integers(1, 3), "active": st.booleans()},
    ),
)


@given(_values, _values, _values)
def test_once_the_files_are_followed_nothing_more_is_taken(before, site, files):
    found = merge(before=before, site=site, files=files)
    after = {place: dict(values) for place, values in site.items()}
    for each in found.taken:
        after.setdefault(each.place, {})[each.field] = each.files
    kept = remembered(before=before, files=files, open_=found.asked)
    again = merge(before=kept, site=after, files=files)
    assert again.taken == []
    assert sorted(map(str, again.asked)) == sorted(map(str, found.asked))
