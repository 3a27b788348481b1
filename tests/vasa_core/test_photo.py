"""Reading pictures: every common format, upright, bounded, and a named error for everything else."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageOps

from vasa_core.errors import PhotoError, PhotoSizeError, UnreadablePhoto
from vasa_core.photo import BACKDROP, STRIP_ROWS, load_photo


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width: int = 120, height: int = 90) -> Image.Image:
    """A smooth picture without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([255 * x / width, 255 * y / height, 60 + 0 * x], axis=2).astype(np.uint8))


def heic(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


@pytest.mark.parametrize(
    ("kind", "mime", "tolerance"),
    [
        ("JPEG", "image/jpeg", 2),
        ("PNG", "image/png", 0),
        ("WEBP", "image/webp", 3),
        ("AVIF", "image/avif", 3),
        ("TIFF", "image/tiff", 0),
        ("BMP", "image/bmp", 0),
        ("GIF", "image/gif", 10),
    ],
)
def test_reads_common_formats(kind: str, mime: str, tolerance: int) -> None:
    image = gradient()
    data = encoded(image, kind)
    photo = load_photo(data, "holiday.txt")  # the name says nothing about the content
    assert photo.mime == mime
    assert photo.file == data
    assert photo.name == "holiday.txt"
    assert photo.pixels.dtype == np.uint8 and photo.pixels.flags["C_CONTIGUOUS"]
    error = np.abs(photo.pixels.astype(int) - np.asarray(image).astype(int))
    assert photo.pixels.shape == (90, 120, 3) and error.mean() <= tolerance


def test_reads_heic() -> None:
    photo = load_photo(heic(gradient()))
    assert photo.mime == "image/heic" and photo.pixels.shape == (90, 120, 3)
    assert np.abs(photo.pixels.astype(int) - np.asarray(gradient()).astype(int)).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_applies_exif_orientation(orientation: int) -> None:
    image = gradient(101, STRIP_ROWS + 37)  # more than one strip
    exif = image.getexif()
    exif[0x0112] = orientation
    data = encoded(image, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(load_photo(data).pixels, expected)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK"])
def test_other_modes_become_rgb(mode: str) -> None:
    image = gradient().convert(mode)
    expected = np.asarray(image.convert("RGB")).astype(int)
    pixels = load_photo(encoded(image, "TIFF")).pixels.astype(int)
    assert pixels.shape == (90, 120, 3)
    assert np.abs(pixels - expected).mean() < 3


def test_sixteen_bit_uses_its_full_range() -> None:
    ramp = np.tile(np.linspace(0, 65535, 128).astype(np.uint16), (64, 1))
    pixels = load_photo(encoded(Image.fromarray(ramp), "PNG")).pixels
    assert pixels[0, 0].tolist() == [0, 0, 0] and pixels[0, -1].tolist() == [255, 255, 255]
    np.testing.assert_allclose(pixels[0, :, 1], np.linspace(0, 255, 128), atol=1)


def test_float_pictures_are_scaled_and_nan_refused() -> None:
    ramp = np.tile(np.linspace(0, 1, 128, dtype=np.float32), (64, 1))
    pixels = load_photo(encoded(Image.fromarray(ramp), "TIFF")).pixels
    np.testing.assert_allclose(pixels[0, :, 0], np.linspace(0, 255, 128), atol=1)
    with pytest.raises(UnreadablePhoto):
        load_photo(encoded(Image.fromarray(np.full((64, 64), np.nan, np.float32)), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_a_neutral_backdrop(mode: str) -> None:
    image = Image.new("RGBA", (80, 64), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 40, 64))
    pixels = load_photo(encoded(image.convert(mode), "PNG")).pixels
    assert pixels[5, 5].tolist() == list(BACKDROP)
    assert pixels[5, 60].tolist() == ([255, 0, 0] if mode == "RGBA" else [76, 76, 76])


def test_transparent_palette_entry() -> None:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    image.paste(0, (0, 0, 32, 64))
    pixels = load_photo(encoded(image, "PNG", transparency=0)).pixels
    assert pixels[3, 3].tolist() == list(BACKDROP) and pixels[3, 40].tolist() == [10, 200, 30]


def test_embedded_profile_is_applied_and_a_damaged_one_ignored() -> None:
    image = Image.new("RGB", (64, 64), (120, 60, 30))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = load_photo(encoded(image, "PNG", icc_profile=srgb)).pixels
    assert np.abs(same.astype(int) - [120, 60, 30]).max() <= 1
    # The same profile with red and blue columns exchanged: a display whose primaries are swapped.
    swapped = srgb.replace(b"rXYZ", b"tmp0", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tmp0", b"bXYZ", 1)
    other = load_photo(encoded(image, "PNG", icc_profile=swapped)).pixels[0, 0].tolist()
    assert np.abs(np.array(other) - [30, 60, 120]).max() <= 3
    broken = load_photo(encoded(image, "PNG", icc_profile=b"no profile at all" * 20)).pixels
    assert broken[0, 0].tolist() == [120, 60, 30]


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert load_photo(data).pixels[0, 0].tolist() == [255, 0, 0]


def test_reads_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "portrait.png"
    path.write_bytes(encoded(gradient(), "PNG"))
    assert load_photo(path).name == "portrait.png"
    assert load_photo(str(path), "hers.png").name == "hers.png"


@pytest.mark.parametrize("size", [(64, 64), (64, 640), (12_000, 1_200)])
def test_accepts_the_limits(size: tuple[int, int]) -> None:
    assert load_photo(encoded(Image.new("L", size, 9), "PNG")).pixels.shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    ("size", "says"),
    [((63, 200), "at least 64"), ((40_000, 1), "12,000"), ((12_001, 2_000), "12,000"), ((64, 641), "narrow")],
)
def test_refuses_sizes_outside_the_limits(size: tuple[int, int], says: str) -> None:
    with pytest.raises(PhotoSizeError, match=says):
        load_photo(encoded(Image.new("L", size), "PNG"))


@pytest.mark.parametrize("side", [12_001, 30_000, 2**31 - 1])
def test_a_bomb_is_refused_from_its_header(side: int) -> None:
    with pytest.raises(PhotoError):
        load_photo(png_header(side, side))


def test_a_heic_bomb_is_refused_from_its_header() -> None:
    data = bytearray(heic(gradient(128, 128)))
    place = data.index(b"ispe") + 8  # version and flags, then width and height
    data[place : place + 8] = struct.pack(">II", 60_000, 60_000)
    with pytest.raises(PhotoError):
        load_photo(bytes(data))


def test_a_compressed_text_bomb_is_refused() -> None:
    good = encoded(gradient(), "PNG")
    body = b"comment\0\0" + zlib.compress(b"A" * 50_000_000, 9)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    with pytest.raises(UnreadablePhoto):
        load_photo(good[:33] + chunk + good[33:])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "HEIC"])
def test_truncated_files_are_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    data = heic(noise) if kind == "HEIC" else encoded(noise, kind)
    for share in (0.02, 0.5, 0.9):
        with pytest.raises(UnreadablePhoto, match="damaged|cannot|not a picture"):
            load_photo(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"This is a letter, not a picture.\n" * 40,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\xff\xd8\xff" + b"\0" * 500,
        b"\x89PNG\r\n\x1a\n",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 300,
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"PK\x03\x04" + b"\0" * 100,
    ],
    ids=["empty", "one byte", "text", "svg", "eps", "jpeg", "png", "heic", "webp", "zip"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadablePhoto) as caught:
        load_photo(data, "portrait.jpg")
    assert "portrait.jpg" in str(caught.value) and str(caught.value).endswith(".")


def test_random_damage_never_escapes_as_another_error(hopper_jpeg: Path) -> None:
    whole = hopper_jpeg.read_bytes()
    random = np.random.default_rng(7)
    outcomes = set()
    for _ in range(25):
        data = bytearray(whole)
        for place in random.integers(0, len(data), 60):
            data[place] = random.integers(0, 256)
        try:
            outcomes.add(load_photo(bytes(data)).pixels.shape[2])
        except PhotoError:
            outcomes.add("refused")
    assert outcomes <= {3, "refused"} and outcomes


def test_damaged_exif_does_not_cost_the_picture() -> None:
    data = encoded(gradient(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert load_photo(data).pixels.shape == (90, 120, 3)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    for path, says in ((tmp_path, "folder"), (tmp_path / "none.png", "no file"), ("a\0b", "cannot be opened")):
        with pytest.raises(UnreadablePhoto, match=says):
            load_photo(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no device files here")
def test_devices_are_not_read():
    with pytest.raises(UnreadablePhoto, match="not a file"):
        load_photo("/dev/zero")
