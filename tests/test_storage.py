"""Nothing is lost: files are whole, journals survive any cut, a full disk is one sentence."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landscape import storage
from landscape.errors import InputError
from landscape.storage import Journal, atomic_path, atomic_write, cache_folder, digest, file_digest, provenance

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.dictionaries(st.text(max_size=6).filter(lambda key: key != "crc"), VALUES, max_size=4)


def without_nan(value: object) -> object:
    """What JSON can hold: no NaN, no infinity."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def journal_of(folder: Path, rows: list[dict]) -> Journal:
    journal = Journal(folder / "rows.jsonl")
    journal.path.unlink(missing_ok=True)
    for row in rows:
        journal.append(row)
    return journal


def write_and_fail(target: Path, error: Exception) -> None:
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"half of the n")
        raise error


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal")


@given(st.lists(ROWS, max_size=5))
def test_rows_come_back_as_they_were(folder: Path, rows: list[dict]) -> None:
    assert journal_of(folder, rows).read() == without_nan(rows)


@given(st.lists(ROWS, min_size=1, max_size=5), ROWS, st.data())
def test_a_journal_cut_at_any_byte_keeps_its_whole_rows_and_goes_on(
    folder: Path, rows: list[dict], more: dict, data: st.DataObject
) -> None:
    journal = journal_of(folder, rows)
    content = journal.path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    journal.path.write_bytes(content[:cut])
    # A row is whole when all of its bytes are there; the line end after it may be missing.
    ends = [index for index, byte in enumerate(content) if byte == ord("\n")]
    whole = sum(end <= cut for end in ends)
    expected = without_nan(rows[:whole])
    assert journal.read() == expected
    assert journal.rewind() == expected
    journal.append(more)
    assert journal.read() == [*expected, without_nan(more)]


@given(st.lists(ROWS, min_size=1, max_size=4), st.data())
def test_a_flipped_bit_never_gives_a_wrong_row(folder: Path, rows: list[dict], data: st.DataObject) -> None:
    journal = journal_of(folder, rows)
    content = bytearray(journal.path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    journal.path.write_bytes(content)
    read = journal.read()
    # Some flips change nothing (1e+20 and 1E+20 are one number), all others end the journal at that row.
    assert len(read) >= content[:position].count(b"\n")
    assert read == without_nan(rows[: len(read)])


def test_any_reader_of_json_lines_reads_a_journal(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, [{"step": 1, "loss": 0.5}, {"step": 2, "loss": float("nan")}, {}])
    lines = journal.path.read_text().splitlines()
    assert [json.loads(line).get("loss") for line in lines] == [0.5, None, None]
    body, _, crc = lines[0].rpartition(',"crc":')
    assert json.loads(crc.rstrip("}")) == f"{zlib.crc32(f'{body}}}'.encode()):08x}"


def test_a_row_may_not_bring_its_own_checksum(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="crc"):
        Journal(tmp_path / "rows.jsonl").append({"crc": "0"})


def test_rewind_can_drop_rows(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, [{"step": step} for step in range(5)])
    assert journal.rewind(lambda row: row["step"] < 3) == [{"step": 0}, {"step": 1}, {"step": 2}]
    assert len(journal.read()) == 3


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none" / "rows.jsonl")
    assert journal.read() == []
    assert journal.rewind() == []
    assert not journal.path.exists()


def test_atomic_path_replaces_only_when_all_went_well(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.bin"
    atomic_write(target, b"old")
    with pytest.raises(KeyError):
        write_and_fail(target, KeyError())
    assert target.read_bytes() == b"old"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]


def test_kill_minus_nine_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    code = """
        import os, signal, sys
        from landscape.storage import atomic_path
        with atomic_path(sys.argv[1]) as temporary:
            temporary.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(target)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
    ids=["disk", "quota", "wrapped by a library"],
)
def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path, error: Exception) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    with pytest.raises(InputError, match=r"no space left while writing .*file\.bin; .* intact"):
        write_and_fail(target, error)
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_disk_that_is_found_full_only_when_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(InputError, match="no space left"):
        atomic_write(target, b"new")
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_appending_to_a_full_device(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no space left while writing /dev/full"):
        Journal("/dev/full").append({"step": 1})


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_row_that_did_not_fit_leaves_no_trace(tmp_path: Path) -> None:
    # A limit on the file's size cuts a write in two, as a disk that fills up does.
    code = """
        import errno, json, os, resource, signal, sys
        from landscape import storage
        journal = storage.Journal(sys.argv[1])
        journal.append({"step": 1})
        size = journal.path.stat().st_size
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
        try:
            journal.append({"step": 2, "text": "x" * 100})
        except OSError as error:
            assert error.errno == errno.EFBIG
        assert journal.path.stat().st_size == size
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.append({"step": 3})
        assert journal.read() == [{"step": 1}, {"step": 3}], journal.read()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "rows.jsonl")], check=True)


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), atomic_path(tmp_path / "file.bin"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileExistsError), atomic_path(tmp_path / "file" / "below"):
        pass


def test_digest_knows_where_parts_end() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab") != digest("ab", "")
    assert digest("é") == digest("é".encode())
    assert digest("run") == "05f5da49f2e05541"


def test_file_digest_reads_all_of_a_large_file(tmp_path: Path) -> None:
    for name, last in (("a", b"0"), ("b", b"1")):
        (tmp_path / name).write_bytes(bytes(3 << 20) + last)
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LANDSCAPE_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("LANDSCAPE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "landscape"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "landscape"


def test_provenance_names_versions_and_inputs_and_repeats() -> None:
    first = provenance({"a": "0123"})
    assert first == provenance({"a": "0123"})
    assert first["inputs"] == {"a": "0123"}
    assert {"python", "torch", "numpy", storage.DISTRIBUTION} <= first["versions"].keys()
    json.dumps(first)


def test_the_command_can_be_typed_again(tmp_path: Path) -> None:
    # A module that prints the command line it sees.
    (tmp_path / "shown.py").write_text("from landscape.storage import command_line; print(command_line())")
    words = ["--data", "my images", "RUN@swa"]

    def seen(*how: str) -> str:
        return subprocess.run(
            [sys.executable, *how], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert seen("-m", "shown", *words) == "python -m shown --data 'my images' RUN@swa"
    assert seen(str(tmp_path / "shown.py"), *words) == "python shown.py --data 'my images' RUN@swa"
    assert seen("-c", "import shown", "-f", "/some/kernel-1234.json") == "interactive session"
