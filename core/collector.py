"""Python's collector of garbage stands aside while a process loads what stays.

Looking for garbage among all that is imported takes a fifth of a start, and later
stops a round for 100 ms now and then.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def stand_aside() -> None:
    """Look for no garbage until `spare_what_is_loaded`."""
    gc.disable()


def spare_what_is_loaded() -> None:
    """Look for garbage again, and never more among what is there by now."""
    gc.freeze()
    gc.enable()


@contextmanager
def loading() -> Iterator[None]:
    """Load what stays for good: `with loading(): django.setup()`."""
    stand_aside()
    try:
        yield
    finally:
        spare_what_is_loaded()
