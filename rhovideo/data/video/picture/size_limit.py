"""The largest pictures that are decoded. A file of some kilobytes may declare pictures of a gigabyte."""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

# Twice the pixels of 8K video (7680x4320). As RGB such a picture takes 200 MB, and a process holds a few at a time.
MAX_PIXELS = 8192 * 8192


def why_too_large(width: int, height: int) -> str:
    """The reason not to decode pictures of this size, and what to do; empty if they may be decoded.

    Args:
        width: pixels, as the file declares it; 0 if it does not.
        height: pixels.
    """
    if width * height <= MAX_PIXELS:
        return ""
    gigabytes = width * height * 3 / 1e9
    return (
        f"declares pictures of {width}x{height} pixels, {gigabytes:.2g} GB each; the most is {MAX_PIXELS} pixels "
        "(8192x8192): make a smaller copy, such as with `ffmpeg -i FILE -vf scale=-2:480 COPY`, or take it out of the "
        "list"
    )


def why_image_too_large(data: bytes) -> str:
    """The reason not to decode an image, as of :func:`why_too_large`; only its header is read.

    Args:
        data: of the image file.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return why_too_large(*image.size)
    except Image.DecompressionBombError:
        return f"declares an image of far more than {MAX_PIXELS} pixels (8192x8192): make a smaller copy"
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return ""  # The decoder says what is wrong with it.
