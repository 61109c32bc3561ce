"""A part is driven by the instants it is given; nothing here waits."""

from types import SimpleNamespace

import pytest

from crunchsite.stack.site_parts import Part


class FakeChild:
    """A process that ends and starts when the test says so."""

    log = SimpleNamespace(path="p.log")
    running = True
    starts = 0
    refuses = None

    def is_running(self):
        return self.running

    def exit_code(self):
        return -9

    def start(self):
        self.starts += 1
        if self.refuses:
            raise self.refuses
        self.running = True


@pytest.fixture
def made():
    child, lines = FakeChild(), []
    up = SimpleNamespace(is_up=True)
    part = Part("worker", child, is_up=lambda: up.is_up, say=lines.append)
    return part, child, lines, up


def restart_after(part, child, now):
    """Let it die at `now`; returns the seconds until it was started again."""
    starts, child.running = child.starts, False
    for tenths in range(1000):
        part.check(now + tenths / 10)
        if child.starts > starts:
            return tenths / 10
    return None


def test_one_line_when_it_dies_and_one_when_it_is_back(made):
    part, child, lines, up = made
    part.check(0)
    up.is_up = False
    assert restart_after(part, child, 10) == 1.0
    part.check(14)
    assert lines == ["  worker ended with -9; restarting it (see p.log)"]
    up.is_up = True
    part.check(15)
    part.check(16)
    assert lines[1:] == ["  worker is back after 5 s"]


def test_pauses_grow_to_half_a_minute_and_are_told_once(made):
    part, child, lines, _ = made
    part.check(0)
    now, pauses = 0.0, []
    for _ in range(8):
        pauses.append(restart_after(part, child, now))
        now += pauses[-1] + 0.5
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert lines == [
        "  worker ended with -9; restarting it (see p.log)",
        "  worker does not come back; it is tried every 30 s (see p.log)",
    ]


def test_a_minute_of_health_ends_the_pauses(made):
    part, child, _, _ = made
    part.check(0)
    for start in (100, 200, 300):
        assert restart_after(part, child, start) == 1.0
        part.check(start + 5)
        part.check(start + 70)
    assert restart_after(part, child, 400) == 1.0
    part.check(405)
    assert restart_after(part, child, 450) == 2.0  # it lived less than a minute


def test_what_cannot_be_started_is_tried_again(made):
    part, child, lines, _ = made
    part.check(0)
    child.refuses = OSError(11, "Resource temporarily unavailable")
    assert restart_after(part, child, 10) == 1.0
    child.refuses = None
    assert restart_after(part, child, 11.1) is not None
    part.check(20)
    assert lines[-1].startswith("  worker is back")
