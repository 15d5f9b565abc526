"""One process a run, and a stop between two steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from landscape.errors import InputError
from landscape.training.run import Run


class Stop:
    """Whether somebody asked for a stop."""

    requested = False


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop after the running step; the second stops at once."""
    stop = Stop()
    previous = {}

    def handle(number: int, frame: object) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            previous[number] = signal.signal(number, handle)
        except ValueError:  # not the main thread: the caller's business
            break
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def exclusive(run: Run) -> Iterator[None]:
    """One process a run: a lock that the system releases however the process ends.

    Raises:
        InputError: another process trains this run.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run.folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise InputError(f"another process is training {run.folder}; wait for it, or give another --root.") from error
