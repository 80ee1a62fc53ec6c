"""Frames of rho clips by index, as each package gives them: uint8 [rho,T,H,W,3], decoded by one thread."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import numpy as np

from benchmarks.inputs import Source
from rhovideo.data.video.picture.frame import Picture, RgbPicture
from rhovideo.data.video.reader import Taker, Video
from rhovideo.data.video.stream.containers import open_container

# A file and indices int64 [rho,T], ascending in each clip, to frames.
Decoder = Callable[[Path, np.ndarray], np.ndarray]


class Rhovideo:
    """Ours, picture by picture into memory that the next call uses again: what it gives is valid until then."""

    def __init__(self) -> None:
        self._frames = np.empty((0, 0, 0, 3), np.uint8)

    def __call__(self, path: Path, indices: np.ndarray) -> np.ndarray:
        with Video(path) as video:
            video.each(indices, self._take_for(indices.size))
        return self._frames.reshape(*indices.shape, *self._frames.shape[1:])

    def _take_for(self, count: int) -> Taker:
        def take(picture: Picture | RgbPicture, places: list[int]) -> None:
            shape = (count, picture.height, picture.width, 3)
            if self._frames.shape != shape:
                self._frames = np.empty(shape, np.uint8)
            for place in places:
                self._frames[place] = picture.rgb()

        return take


def pyav(path: Path, indices: np.ndarray) -> np.ndarray:
    """The plain way: one pass from the start to the last wanted frame, RGB of the wanted ones."""
    wanted = indices.reshape(-1)
    images, left = None, set(wanted.tolist())
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_type = "NONE"
        for index, frame in enumerate(container.decode(video=0)):
            if index in left:
                image = frame.to_ndarray(format="rgb24")
                images = np.empty((len(wanted), *image.shape), np.uint8) if images is None else images
                images[wanted == index] = image
                left.remove(index)
                if not left:
                    break
    return images.reshape(*indices.shape, *images.shape[1:])


def pytorchvideo(path: Path, indices: np.ndarray) -> np.ndarray:
    """Each clip by its own seek, as its LabeledVideoDataset reads them."""
    from pytorchvideo.data.encoded_video import EncodedVideo

    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
    video = EncodedVideo.from_path(str(path), decode_audio=False)
    clips = []
    for clip in indices.tolist():
        frames = video.get_clip(Fraction(clip[0]) / rate, Fraction(clip[-1] + 1) / rate)["video"]
        clips.append(frames[:, :: clip[1] - clip[0]].permute(1, 2, 3, 0).byte().numpy())
    video.close()
    return np.stack(clips)


def decord2(path: Path, indices: np.ndarray) -> np.ndarray:
    import decord

    reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
    frames = reader.get_batch(indices.reshape(-1).tolist()).asnumpy()
    return frames.reshape(*indices.shape, *frames.shape[1:])


def torchcodec(path: Path, indices: np.ndarray) -> np.ndarray:
    return _torchcodec(path, indices, "exact")


def torchcodec_approximate(path: Path, indices: np.ndarray) -> np.ndarray:
    """Without a scan of the file: frames are found by the header's rate, so they are exact at a constant rate only."""
    return _torchcodec(path, indices, "approximate")


def _torchcodec(path: Path, indices: np.ndarray, seek_mode: str) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode=seek_mode)
    frames = decoder.get_frames_at(indices.reshape(-1).tolist()).data.numpy()
    return frames.reshape(*indices.shape, *frames.shape[1:])


def peers() -> dict[str, Decoder]:
    """The peers that are installed, by the name in the tables."""
    found: dict[str, Decoder] = {"PyAV, one pass": pyav}
    if importlib.util.find_spec("pytorchvideo"):
        found["PyTorchVideo"] = pytorchvideo
    if importlib.util.find_spec("decord"):
        found["decord2"] = decord2
    if importlib.util.find_spec("torchcodec"):
        found["torchcodec"] = torchcodec
        found["torchcodec, approximate"] = torchcodec_approximate
    return found


def rhovideo_anew(path: Path, indices: np.ndarray) -> np.ndarray:
    """Ours, into new memory, as the peers' calls give it."""
    with Video(path) as video:
        frames = video.frames(indices.reshape(-1))
    return frames.reshape(*indices.shape, *frames.shape[1:])


class Floor:
    """What exact decoding costs at least: the pictures that must be decoded, and nothing else is done.

    Which packets these are is found out beforehand and not timed: of each group of pictures that holds a wanted one,
    those up to its last wanted one that are wanted or referred to. Opening and demultiplexing the file is timed, and
    done as rhovideo does it for MP4, which decodes nothing.
    """

    def __init__(self, source: Source) -> None:
        self._path = source.path
        self._ranges: dict[bytes, list[list[int]]] = {}

    def prepare(self, indices: np.ndarray) -> None:
        """Find out which packets these frames need."""
        self._ranges[indices.tobytes()] = self._packets.needed(indices)

    @cached_property
    def _packets(self) -> _Packets:
        return _Packets(self._path)

    def __call__(self, indices: np.ndarray) -> None:
        with open_container(str(self._path), trusting=True) as container:
            context = container.streams.video[0].codec_context
            context.thread_type = "NONE"
            packets = [packet for packet in container.demux(video=0) if packet.size]
            for positions in self._ranges[indices.tobytes()]:
                for position in positions:
                    context.decode(packets[position])
                context.decode(None)
                context.flush_buffers()


class _Packets:
    """What the floor knows of an H.264 stream in MP4 with closed groups of pictures."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        self._shown = np.argsort([packet.pts for packet in packets], kind="stable")
        self._keys = [position for position, packet in enumerate(packets) if packet.is_keyframe]
        self._referenced = [bool(_nal_ref_idc(bytes(packet))) for packet in packets]

    def needed(self, indices: np.ndarray) -> list[list[int]]:
        """Positions of the packets of each group of pictures."""
        wanted = set(self._shown[indices.reshape(-1)].tolist())
        groups = []
        for first, end in zip(self._keys, [*self._keys[1:], len(self._referenced)], strict=True):
            inside = [position for position in wanted if first <= position < end]
            if inside:
                reach = range(first, max(inside) + 1)
                groups.append([p for p in reach if p in wanted or self._referenced[p]])
        return groups


def _nal_ref_idc(packet: bytes) -> int:
    """The largest of the units of a packet whose units follow their four-byte lengths."""
    position, largest = 0, 0
    while position + 4 < len(packet):
        if packet[position + 4] & 0x1F in (1, 5):
            largest = max(largest, packet[position + 4] >> 5 & 3)
        position += 4 + int.from_bytes(packet[position : position + 4], "big")
    return largest
