"""Decoding: pixels against torchvision, odd image kinds, damaged files, and a cache that is never half there."""

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from landscape.data import decoding, load_images
from landscape.data.decoding import decode_image, decode_listing
from landscape.data.images import list_images
from landscape.errors import InputError

TREE = {"p": {"cat": 40, "dog": 40}, "q": {"cat": 40, "dog": 40}}


def encoded(image: Image.Image, kind: str = "png", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 90, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [16, 37, 64])
def test_squashing_equals_torchvisions_resize(picture: Image.Image, size: int) -> None:
    wanted = np.asarray(transforms.Resize((size, size))(picture))
    np.testing.assert_array_equal(decode_image(encoded(picture), size), wanted)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr"])
def test_other_colour_modes(mode: str, picture: Image.Image) -> None:
    other = picture.convert(mode)
    data = encoded(other, "tiff" if mode in ("CMYK", "YCbCr") else "png")
    wanted = other.convert("RGB").resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(decode_image(data, 16), np.asarray(wanted))


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    levels = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    for kind in ("png", "tiff"):
        shown = decode_image(encoded(Image.fromarray(levels), kind), 16)
        np.testing.assert_array_equal(shown, np.repeat((levels // 257)[..., None], 3, axis=2))


def test_transparent_parts_are_white() -> None:
    clear = np.zeros((4, 4, 4), dtype=np.uint8)
    clear[:, 2:] = (10, 20, 30, 255)
    clear[0, 3] = (0, 0, 0, 128)
    shown = decode_image(encoded(Image.fromarray(clear)), 4)
    assert shown[:, :2].min() == 255
    assert shown[1, 2].tolist() == [10, 20, 30]
    assert shown[0, 3].tolist() == [127, 127, 127]
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 50, 60, 70])
    palette.putpixel((0, 0), 0)
    shown = decode_image(encoded(palette, transparency=0), 4)
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[1, 1].tolist() == [50, 60, 70]


@pytest.mark.parametrize(("values", "text"), [(np.float32(0.5), "floating-point"), (np.int32(70000), "32-bit")])
def test_pixels_without_a_defined_white_are_refused(values: np.generic, text: str) -> None:
    data = encoded(Image.fromarray(np.full((4, 4), values)), "tiff")
    with pytest.raises(ValueError, match=text):
        decode_image(data, 4)


def test_the_cache_is_a_read_only_map_and_used_again(make_folder, monkeypatch, tmp_path: Path) -> None:
    root = make_folder(TREE)
    first = load_images(str(root), size=8, progress=False)
    assert first.pixels.shape == (160, 8, 8, 3)
    with pytest.raises(ValueError, match="read-only"):
        first.pixels[0] = 0
    expected = np.stack([decode_image((root / file).read_bytes(), 8) for file in first.files])
    np.testing.assert_array_equal(first.pixels, expected)
    monkeypatch.setattr(decoding, "decode_image", lambda *_: pytest.fail("decoded twice"))
    again = load_images(str(root), size=8, progress=False)
    assert again.pixels.tobytes() == first.pixels.tobytes()
    assert again.digest == first.digest
    assert not list((tmp_path / "cache" / "images").glob(".*"))


def test_another_size_or_an_edited_file_is_decoded_anew(make_folder, tmp_path: Path) -> None:
    root = make_folder(TREE)
    before = load_images(str(root), size=8, progress=False)
    assert load_images(str(root), size=9, progress=False).pixels.shape[1] == 9
    file = root / "p" / "cat" / "0.png"
    size = file.stat().st_size
    Image.new("RGB", (12, 9), (250, 1, 2)).save(file)
    data = file.read_bytes()
    file.write_bytes(data.ljust(size, b"\0"))
    after = load_images(str(root), size=8, progress=False)
    assert after.pixels[0, 0, 0].tolist() == [250, 1, 2]
    assert before.pixels[0, 0, 0].tolist() != [250, 1, 2]  # the old map is still whole


def test_a_damaged_cache_is_decoded_anew(make_folder, tmp_path: Path) -> None:
    root = make_folder(TREE)
    expected = load_images(str(root), size=8, progress=False).pixels.tobytes()
    (cached,) = (tmp_path / "cache" / "images").glob("*.u8")
    (notes,) = (tmp_path / "cache" / "images").glob("*.json")
    for damage in (
        lambda: os.truncate(cached, 1000),
        cached.unlink,
        notes.unlink,
        lambda: notes.write_text("{"),
    ):
        damage()
        assert load_images(str(root), size=8, progress=False).pixels.tobytes() == expected


def break_some(root: Path) -> None:
    whole = (root / "p/cat/0.png").read_bytes()
    (root / "p/cat/0.png").write_bytes(whole[: len(whole) // 2])
    (root / "q/dog/7.png").write_bytes(b"no image at all")
    (root / "q/dog/8.png").write_bytes(b"")


def test_unreadable_images_are_named_counted_and_left_out(make_folder, capsys) -> None:
    root = make_folder(TREE)
    break_some(root)
    for _ in range(2):  # decoded, then from the cache
        images = load_images(str(root), size=8, progress=False)
        assert images.unreadable == ("p/cat/0.png", "q/dog/7.png", "q/dog/8.png")
        assert images.counts.tolist() == [[39, 40], [40, 38]]
        for file, pixels in zip(images.files, images.pixels, strict=True):
            np.testing.assert_array_equal(pixels, decode_image((root / file).read_bytes(), 8))
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"warning: left out 3 of 160 images of {root} that cannot be read: p/cat/0.png (")
        assert "q/dog/7.png (not an image that Pillow knows)" in line


@pytest.mark.parametrize("decoded_before", [False, True])
def test_strict_stops_with_the_name(make_folder, decoded_before: bool, tmp_path: Path) -> None:
    root = make_folder(TREE)
    break_some(root)
    if decoded_before:
        load_images(str(root), size=8, progress=False)
    with pytest.raises(InputError, match=r"p/cat/0.png of .* cannot be read: .*drop --strict"):
        load_images(str(root), size=8, strict=True, progress=False)
    assert bool(list((tmp_path / "cache" / "images").iterdir())) == decoded_before


def test_no_readable_image_at_all(make_folder, tmp_path: Path) -> None:
    root = make_folder({"p": {"cat": 1, "dog": 1}, "q": {"cat": 1, "dog": 1}})
    for file in root.rglob("*.png"):
        file.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"none of the 4 images .* p/cat/0.png: not an image"):
        load_images(str(root), size=8, progress=False)
    assert not list((tmp_path / "cache" / "images").iterdir())


def test_a_class_whose_other_domains_are_unreadable(make_folder, capsys) -> None:
    root = make_folder({"p": {"cat": 1, "dog": 1}, "q": {"cat": 1, "dog": 1}})
    (root / "q/dog/0.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"'dog' \(only in 'p'\)"):
        load_images(str(root), size=8, progress=False)
    assert "left out 1 of 4" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_no_damaged_image(make_folder, monkeypatch) -> None:
    root = make_folder(TREE)
    original = Path.read_bytes

    def denied(path: Path) -> bytes:
        if path.name == "3.png":
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(InputError, match=r"cannot read p/cat/3.png of .*: Permission denied"):
        load_images(str(root), size=8, progress=False)


def test_a_cache_that_cannot_be_written(make_folder, tmp_path: Path, monkeypatch) -> None:
    root = make_folder(TREE)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match=r"cannot write decoded images to .*LANDSCAPE_CACHE"):
        load_images(str(root), size=8, cache=blocked, progress=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(InputError, match=r"need 0.0 GB in .*smaller --image-size"):
        load_images(str(root), size=8, progress=False)


def test_an_interrupted_decode_leaves_nothing(make_folder, monkeypatch, tmp_path: Path) -> None:
    root = make_folder(TREE)
    calls = []

    def interrupted(data: bytes, size: int) -> np.ndarray:
        calls.append(1)
        if len(calls) == 100:
            raise KeyboardInterrupt
        return decode_image(data, size)

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "decode_image", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_images(str(root), size=8, progress=False)
    assert not list((tmp_path / "cache" / "images").iterdir())


SLOW = """
import sys, time
from landscape.data import decoding, load_images
decode = decoding.decode_image
def slow(data, size):
    time.sleep(float(sys.argv[2]))
    return decode(data, size)
decoding.decode_image = slow
print(hash(load_images(sys.argv[1], size=8, progress=False).pixels.tobytes()))
"""


def start(root: Path, seconds: float) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONHASHSEED": "0"}
    return subprocess.Popen([sys.executable, "-c", SLOW, str(root), str(seconds)], env=env, stdout=-1, text=True)


def test_kill_minus_nine_leaves_no_half_cache(make_folder, tmp_path: Path) -> None:
    root, folder = make_folder(TREE), tmp_path / "cache" / "images"
    process = start(root, 0.05)
    deadline = time.monotonic() + 30
    while not (partial := list(folder.glob(".*.tmp"))) or partial[0].stat().st_size == 0:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()
    assert not list(folder.glob("*.u8"))
    os.utime(partial[0], (1, 1))  # long ago
    images = load_images(str(root), size=8, progress=False)
    expected = np.stack([decode_image((root / file).read_bytes(), 8) for file in images.files])
    np.testing.assert_array_equal(images.pixels, expected)
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".u8"]  # the killed one's rest is gone


def test_two_processes_and_many_threads_decode_at_once(make_folder, tmp_path: Path) -> None:
    root = make_folder(TREE)
    processes = [start(root, 0.005) for _ in range(2)]
    results = [process.communicate(timeout=60)[0] for process in processes]
    assert results[0] == results[1] != ""
    listing, found = list_images(str(root)), []
    threads = [
        threading.Thread(target=lambda: found.append(decode_listing(listing, size=10, progress=False)[0].tobytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 4
    assert not list((tmp_path / "cache" / "images").glob(".*"))
