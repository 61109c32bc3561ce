"""What a process asks of the kernel before it runs a stranger's code."""

import subprocess
import sys

import pytest

KEYRINGS = """
import os
from competitions.local_models import kernel

def session():
    number = kernel._SYS_KEYCTL[os.uname().machine]
    return kernel.libc.syscall(number, 0, -3, 0)  # KEYCTL_GET_KEYRING_ID

inherited = session()
kernel.leave_keyring()
print(inherited, session())
"""


def test_the_operators_session_keyring_is_left():
    done = subprocess.run(
        [sys.executable, "-c", KEYRINGS], capture_output=True, text=True, check=True
    )
    inherited, entered = map(int, done.stdout.split())
    if inherited == entered == -1:
        pytest.skip("this container has no keyrings")
    assert inherited != entered
