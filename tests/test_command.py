"""How a command ends: the exit code and what is on which stream, seen from another process."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = """
    import sys
    from dataclasses import dataclass
    from landscape import command
    from landscape.errors import InputError

    @dataclass(frozen=True)
    class Options:
        steps: int = 3
        '''Updates to do.'''

    def main():
        options = command.parse(Options, prog="python -m example", description="An example.")
        {body}

    command.run(main)
"""


def program(folder: Path, body: str) -> list[str]:
    file = folder / "program.py"
    file.write_text(textwrap.dedent(PROGRAM).format(body=body))
    return [sys.executable, str(file)]


def outcome(folder: Path, body: str, *args: str) -> subprocess.CompletedProcess:
    return subprocess.run([*program(folder, body), *args], capture_output=True, text=True, check=False)


def test_done_is_zero(tmp_path: Path) -> None:
    done = outcome(tmp_path, "print(options.steps)", "--steps", "5")
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


def test_unusable_input_is_two_and_one_sentence(tmp_path: Path) -> None:
    done = outcome(tmp_path, "raise InputError('no domain of that name.')")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: no domain of that name.\n")


def test_a_wrong_flag_is_two(tmp_path: Path) -> None:
    done = outcome(tmp_path, "pass", "--stesp", "5")
    assert done.returncode == 2
    assert "--steps" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_program_options_and_defaults(tmp_path: Path) -> None:
    done = outcome(tmp_path, "raise SystemError", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("python -m example", "An example.", "--steps", "Updates to do.", "3"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("error", "said"),
    [("KeyboardInterrupt", "interrupted; run the same command again"), ("KeyboardInterrupt('saved.')", "saved.")],
)
def test_an_interrupt_is_130_and_says_how_to_go_on(tmp_path: Path, error: str, said: str) -> None:
    done = outcome(tmp_path, f"raise {error}")
    assert done.returncode == 130
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_from_outside(tmp_path: Path) -> None:
    body = "print('ready', flush=True); import time; time.sleep(60)"
    with subprocess.Popen(
        program(tmp_path, body),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a shell inherit that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said


def test_a_fault_of_ours_keeps_its_traceback(tmp_path: Path) -> None:
    done = outcome(tmp_path, "raise ZeroDivisionError")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_code_of_the_program_itself_passes_through(tmp_path: Path) -> None:
    assert outcome(tmp_path, "sys.exit(7)").returncode == 7


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("open('file/below', 'w')", "file/below: Not a directory"),
        ("open('.')", "cannot use .: Is a directory"),
        ("import os; os.replace('nowhere', 'there')", "cannot use there: No such file or directory"),
        (
            "open('locked', 'w').close(); raise PermissionError(13, 'Permission denied', b'locked')",
            "locked: Permission",
        ),
        ("raise OSError(5, 'Input/output error')", "refused to read or write: Input/output error"),
        ("raise TimeoutError", "TimeoutError"),
    ],
)
def test_what_the_system_refuses_is_two_and_one_sentence_with_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    done = outcome(tmp_path, f"print('begun'); {body}")
    assert (done.returncode, done.stdout) == (2, "begun\n")
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_an_output_that_is_full_is_two_and_one_sentence(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            program(tmp_path, "print('line')"), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("lines", [1, 100_000], ids=["still buffered", "in the middle"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, lines: int, unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            program(tmp_path, f"print('line\\n' * {lines})"),
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
