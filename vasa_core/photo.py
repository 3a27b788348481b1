"""Reading a picture: any common format in, upright sRGB pixels and the untouched file out.

Size is checked from the header before a single pixel is decoded, and pixels are converted strip by strip, so that the
largest picture allowed costs its decoder's buffer plus one copy.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from vasa_core.errors import PhotoSizeError, UnreadablePhoto
from vasa_core.types import Photo

MIN_SIDE = 64  # pixels
MAX_SIDE = 12_000  # pixels
MAX_ASPECT = 10.0  # longer side / shorter side
MAX_BYTES = 200 * 2**20
STRIP_ROWS = 512  # rows converted at a time
BACKDROP = (192, 192, 192)  # what shows through transparent pixels: light neutral grey

FORMATS = "JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF"
# Leading bytes -> media type, Pillow formats that may read it. MPO is what many phones write into a .jpg.
_SIGNATURES: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (b"\xff\xd8\xff", "image/jpeg", ("JPEG", "MPO")),
    (b"\x89PNG\r\n\x1a\n", "image/png", ("PNG",)),
    (b"II*\x00", "image/tiff", ("TIFF",)),
    (b"MM\x00*", "image/tiff", ("TIFF",)),
    (b"GIF87a", "image/gif", ("GIF",)),
    (b"GIF89a", "image/gif", ("GIF",)),
    (b"BM", "image/bmp", ("BMP",)),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2")
_AVIF_BRANDS = (b"avif", b"avis")

# EXIF orientation -> the view of the upright array through which the stored rows are written (EXIF 2.32, tag 0x0112).
_STORED_VIEW: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[:, ::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[::-1].swapaxes(0, 1),
}

# Pillow warns from 89 megapixels on; the limits above are checked here for every picture, before decoding.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def load_photo(source: str | Path | bytes, name: str | None = None) -> Photo:
    """Read a picture from a path or from bytes.

    Returns a Photo: pixels uint8 (H, W, 3) sRGB with EXIF orientation applied, sides 64 to 12,000 pixels; the file's
    bytes unchanged; the media type as its content shows, whatever its name says. Of several frames the first is used.

    Raises UnreadablePhoto (missing, empty, damaged or not a picture) and PhotoSizeError (too small, too large, too
    elongated).
    """
    data, name = _read(source, name)
    mime, formats = sniff(data)
    if mime is None:
        raise UnreadablePhoto(f"'{name}' is not a picture that can be read here. Use a {FORMATS} file.")
    try:
        with _open(data, mime, formats) as image:
            _check_size(image.size, name)
            image.load()
            _check_size(image.size, name)  # HEIF: the decoded size may differ from the one in the header
            pixels = _pixels(image)
    except Image.DecompressionBombError:
        raise PhotoSizeError(_too_large(name)) from None
    except PhotoSizeError:
        raise
    except MemoryError:
        raise PhotoSizeError(f"'{name}' needs more memory than there is. Scale it down and try again.") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError and others
        raise UnreadablePhoto(
            f"'{name}' is damaged or incomplete and cannot be decoded. Save or export it again, for example as JPEG."
        ) from error
    return Photo(pixels=pixels, file=data, mime=mime, name=name)


def sniff(data: bytes) -> tuple[str | None, tuple[str, ...]]:
    """Media type and candidate Pillow formats from the first bytes; (None, ()) for anything else."""
    for signature, mime, formats in _SIGNATURES:
        if data.startswith(signature):
            return mime, formats
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", ("WEBP",)
    if data[4:8] == b"ftyp":  # ISO base media: the major brand, then the compatible ones
        brands = data[8:12] + data[16 : max(16, min(int.from_bytes(data[:4], "big"), 64))]
        listed = [brands[i : i + 4] for i in range(0, len(brands), 4)]
        if any(brand in listed for brand in _AVIF_BRANDS):
            return "image/avif", ("AVIF",)
        if any(brand in listed for brand in _HEIF_BRANDS):
            return "image/heic", ("HEIF",)
    return None, ()


def _read(source: str | Path | bytes, name: str | None) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), name or "photo"
    else:
        path = Path(source)
        name = name or path.name or str(path)
        try:
            if path.is_dir():
                raise UnreadablePhoto(f"'{name}' is a folder. Choose a picture file in it.")
            if path.exists() and not path.is_file():
                raise UnreadablePhoto(f"'{name}' is not a file. Choose a picture file.")
            if path.stat().st_size > MAX_BYTES:
                raise PhotoSizeError(f"'{name}' is larger than {MAX_BYTES >> 20} MB. Export a smaller copy, as JPEG.")
            data = path.read_bytes()
        except FileNotFoundError:
            raise UnreadablePhoto(f"There is no file '{name}'. Check the path of the photo.") from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise UnreadablePhoto(f"'{name}' cannot be opened. Check that you may read it.") from error
    if not data:
        raise UnreadablePhoto(f"'{name}' is empty. Choose another file or save it again.")
    if len(data) > MAX_BYTES:
        raise PhotoSizeError(f"'{name}' is larger than {MAX_BYTES >> 20} MB. Export a smaller copy, as JPEG.")
    return data, name


def _open(data: bytes, mime: str, formats: tuple[str, ...]) -> Image.Image:
    """A lazy Pillow image: header read, pixels not yet decoded."""
    if mime == "image/heic":
        from pillow_heif import HeifImageFile  # 0.2 s to import, and few photos need it

        return HeifImageFile(io.BytesIO(data))
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        raise OSError("no decoder accepts it") from error


def _too_large(name: str) -> str:
    return f"'{name}' is larger than {MAX_SIDE:,} pixels a side. Scale it down and try again."


def _check_size(size: tuple[int, int], name: str) -> None:
    short, long = sorted(size)
    if long > MAX_SIDE:
        raise PhotoSizeError(_too_large(name))
    if short < MIN_SIDE:
        raise PhotoSizeError(
            f"'{name}' is {size[0]} x {size[1]} pixels; at least {MIN_SIDE} a side are needed. Use a larger original."
        )
    if long > MAX_ASPECT * short:
        raise PhotoSizeError(
            f"'{name}' is {size[0]} x {size[1]} pixels, too long and narrow. Crop it around the person."
        )


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF raises whatever its parser met; the pixels are still good
        return 1
    return value if value in _STORED_VIEW else 1


def _pixels(image: Image.Image) -> np.ndarray:
    """Oriented, colour-managed pixels of a loaded image, uint8 (H, W, 3)."""
    orientation = _orientation(image)
    width, height = image.size
    upright = (width, height) if orientation >= 5 else (height, width)
    pixels = np.empty((*upright, 3), np.uint8)
    stored = _STORED_VIEW[orientation](pixels)  # (height, width, 3) view in the file's own order
    to_rgb = _converter(image)
    for top in range(0, height, STRIP_ROWS):
        bottom = min(height, top + STRIP_ROWS)
        stored[top:bottom] = to_rgb(image.crop((0, top, width, bottom)))
    return pixels


def _converter(image: Image.Image) -> Callable[[Image.Image], np.ndarray]:
    """What turns a strip of this picture into uint8 (h, w, 3) sRGB."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        low, span = _wide_range(image)
        return lambda strip: _grey(np.clip((np.asarray(strip, np.float32) - low) * (255 / span), 0, 255))
    if mode == "P" and "transparency" not in image.info:
        return lambda strip: np.asarray(strip.convert("RGB"))
    if mode in ("LA", "La", "PA", "RGBA", "RGBa", "P"):
        colour = _colour_transform(image, "RGB")
        return lambda strip: _over_backdrop(strip.convert("RGBA"), colour)
    colour = _colour_transform(image, mode)
    return lambda strip: np.asarray(colour(strip))


def _wide_range(image: Image.Image) -> tuple[float, float]:
    """Black level and span of 16-bit, 32-bit and float pictures. 16-bit ones use their full range."""
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError("pixel values are not finite")
    for span in (1.0, 255.0, 65535.0):  # the common conventions; anything else is stretched to what it holds
        if low >= 0 and high <= span and (image.mode == "F" or span > 1):
            return 0.0, span
    return low, max(high - low, 1e-6)


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.rint(values).astype(np.uint8)[..., None], 3, axis=2)


def _over_backdrop(strip: Image.Image, colour: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    alpha = strip.getchannel("A")
    backdrop = Image.new("RGB", strip.size, BACKDROP)
    backdrop.paste(colour(strip.convert("RGB")), mask=alpha)
    return np.asarray(backdrop)


def _colour_transform(image: Image.Image, mode: str) -> Callable[[Image.Image], Image.Image]:
    """Through the embedded ICC profile to sRGB where there is one that fits; plain conversion otherwise."""
    profile = image.info.get("icc_profile")
    if profile and mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile of another colour space or a damaged one: the pixels themselves are still good
        else:
            return lambda strip: ImageCms.applyTransform(strip, transform) or strip
    return lambda strip: strip.convert("RGB")
