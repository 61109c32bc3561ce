import signal
import sys

from crunchsite.stack.processes import Child, wait_until


def child(tmp_path, code):
    return Child("c", [sys.executable, "-c", code], log_path=tmp_path / "c.log")


def test_a_child_writes_to_its_log_and_reports_how_it_ended(tmp_path):
    one = child(tmp_path, "print('hello'); raise SystemExit(3)")
    one.start()
    assert wait_until(lambda: not one.is_running(), timeout_s=60)
    assert one.exit_code() == 3
    assert one.log_tail() == "hello"


def test_a_child_is_asked_to_stop(tmp_path):
    one = child(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    one.start()
    assert wait_until(lambda: one.log_tail() == "up", timeout_s=60)
    one.stop()
    assert one.exit_code() == -signal.SIGTERM


def test_a_child_that_does_not_listen_is_killed(tmp_path):
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('up', flush=True); time.sleep(60)"
    )
    one = child(tmp_path, code)
    one.start()
    assert wait_until(lambda: one.log_tail() == "up", timeout_s=60)
    one.stop(timeout_s=0.3)
    assert one.exit_code() == -signal.SIGKILL


def test_waiting_ends_with_the_time():
    assert not wait_until(lambda: False, timeout_s=0.1)
