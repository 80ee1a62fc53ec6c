"""One decoded picture, of which only the wanted part is turned into RGB."""

from __future__ import annotations

from functools import cached_property

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from rhovideo.data.video.picture.box import Box
from rhovideo.data.video.picture.orientation import upright
from rhovideo.data.video.picture.tone_mapping import is_hdr, tone_map

# Formats that are cut before they are converted: brightness, and two planes of colour with a quarter of the pixels. At
# 1280x720 samples then take 2 to 4 % less time (Xeon).
_CUTTABLE = frozenset({"yuv420p", "yuvj420p"})
# The conversion of so many pixels takes as long as cutting the planes.
_WORTH_CUTTING = 50_000


class Picture:
    """A picture in the decoder's memory.

    Args:
        frame: the decoder's frame.
        size: width and height before it is turned upright; a frame of another size is scaled. None: the frame's size.
        reformatter: FFmpeg's scaler, used again for each picture.
        turned: True if the picture has to be turned or mirrored, see
            :class:`rhovideo.data.video.picture.orientation.Orientation`.
        tone_mapped: turn a picture that is HDR into an SDR one, see :mod:`rhovideo.data.video.picture.tone_mapping`.

    Attributes:
        height: pixels, after it is turned upright.
        width: pixels, after it is turned upright.
    """

    def __init__(
        self,
        frame: av.VideoFrame,
        size: tuple[int, int] | None,
        reformatter: VideoReformatter,
        turned: bool,
        tone_mapped: bool = False,
    ) -> None:
        self._frame = frame
        self._size = size or (frame.width, frame.height)
        self._reformatter = reformatter
        self.width, self.height = self._size
        self._turned = turned
        self._hdr = tone_mapped and is_hdr(frame.color_trc)
        if turned:
            # An array without pixels shows the shape of the turned picture.
            self.height, self.width = upright(np.empty((self.height, self.width, 0), np.uint8), frame).shape[:2]

    def rgb(self, box: Box | None = None) -> np.ndarray:
        """The picture, or a box of it, as upright RGB.

        A box is cut out of a large picture before the conversion. This changes no pixel, since whole pairs of rows and
        columns are cut, and the conversion handles each pair alone. Interlaced pictures are not cut, since there the
        conversion combines rows of one field.

        Args:
            box: the part that is wanted, in upright pixels; None: the whole picture.

        Returns:
            uint8 [height, width, 3] or [box.height, box.width, 3]. Several calls may return views of one array.
        """
        if box is None:
            return self._whole_sdr if self._hdr else self._whole
        if not self._hdr and self._is_worth_cutting(box):
            return self._cut(box)
        part = self._whole[box.top : box.top + box.height, box.left : box.left + box.width]
        return self._as_sdr(part) if self._hdr else part

    @cached_property
    def _whole(self) -> np.ndarray:
        """The upright picture, uint8 [H,W,3]; uint16 if it is HDR and has to be made SDR."""
        image = self._convert(self._frame, *self._size)
        return upright(image, self._frame) if self._turned else image

    @cached_property
    def _whole_sdr(self) -> np.ndarray:
        return self._as_sdr(self._whole)

    def _as_sdr(self, image: np.ndarray) -> np.ndarray:
        return tone_map(image, self._frame.color_trc, self._frame.color_primaries)

    def _convert(self, frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
        form = "rgb48le" if self._hdr else "rgb24"
        return self._reformatter.reformat(frame, width=width, height=height, format=form, threads=1).to_ndarray()

    def _is_worth_cutting(self, box: Box) -> bool:
        frame, (width, height) = self._frame, self._size
        return (
            width * height - box.width * box.height > _WORTH_CUTTING
            and (frame.width, frame.height) == (width, height)
            and frame.format.name in _CUTTABLE
            and width % 2 == height % 2 == 0
            and not self._turned
            and not frame.interlaced_frame
        )

    def _cut(self, box: Box) -> np.ndarray:
        top, left = box.top // 2 * 2, box.left // 2 * 2
        height, width = (box.top + box.height + 1) // 2 * 2 - top, (box.left + box.width + 1) // 2 * 2 - left
        frame = av.VideoFrame(width, height, self._frame.format.name)
        for whole, cut, step in zip(self._frame.planes, frame.planes, (1, 2, 2), strict=True):
            rows, columns = height // step, width // step
            _pixels(cut)[:rows, :columns] = _pixels(whole)[top // step :, left // step :][:rows, :columns]
        for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
            setattr(frame, name, getattr(self._frame, name))
        image = self._convert(frame, width, height)
        return image[box.top - top :, box.left - left :][: box.height, : box.width]


def _pixels(plane: av.video.plane.VideoPlane) -> np.ndarray:
    """The memory of a plane: uint8 [rows, bytes of a row]; the last bytes of a row may be padding."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)


class RgbPicture:
    """A picture that is RGB already, with the methods of :class:`Picture`.

    Args:
        image: uint8 [H,W,3], upright.

    Attributes:
        height: H, pixels.
        width: W, pixels.
    """

    def __init__(self, image: np.ndarray) -> None:
        self._image = image
        self.height, self.width = image.shape[:2]

    def rgb(self, box: Box | None = None) -> np.ndarray:
        """The picture, or a box of it, as a view; arguments and result as in :meth:`Picture.rgb`."""
        if box is None:
            return self._image
        return self._image[box.top : box.top + box.height, box.left : box.left + box.width]
