"""How every command line behaves: flags from dataclasses, one sentence for a mistake, exit code 2.

No torch in here: ``--help`` has to answer at once.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import tyro

from landscape.errors import InputError

Options = TypeVar("Options")


def parse(
    options: type[Options],
    *,
    prog: str,
    description: str,
    default: Options | None = None,
    args: Sequence[str] | None = None,
) -> Options:
    """Flags for every field of the dataclass `options`, starting from `default`."""
    keywords: dict[str, Any] = {} if default is None else {"default": default}
    return tyro.cli(options, prog=prog, description=description, args=args, **keywords)


def say_written(written: Sequence[Path], *, done: str = "measured") -> None:
    """The files of an analysis, or that there was nothing to do.

    Args:
        written: files that were written.
        done: what had been done before if there are none, besides drawing.
    """
    if not written:
        print(f"nothing to do: this has been {done} and drawn before")
    for path in written:
        print(f"wrote {path}")


def run(main: Callable[[], None]) -> NoReturn:
    """Run a command's body and leave with its exit code.

    0 done · 2 the input cannot be used, or the operating system refuses a file (one sentence on stderr) ·
    130 interrupted (nothing lost). A reader that closes the pipe early (``| head``) is no failure.
    """
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interrupt:
        said = str(interrupt) or "interrupted; run the same command again to continue."
        print(f"\n{said}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        print(f"error: {_sentence(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        sys.exit(2)
    sys.exit(0)


def _drop_output() -> None:
    """What is still buffered goes nowhere; else Python tries again at exit, complains and leaves with 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sentence(error: OSError) -> str:
    """What the operating system refused, and where."""
    # Of a move the second path is the one that somebody asked for; the first is a temporary file.
    path = error.filename2 or error.filename
    reason = error.strerror or str(error) or type(error).__name__
    if not isinstance(path, str | bytes | os.PathLike):
        return f"the system refused to read or write: {reason}; look at the disk and where the output goes to."
    return f"cannot use {os.fsdecode(path)}: {reason}; check this path and its permissions, or give another one."
