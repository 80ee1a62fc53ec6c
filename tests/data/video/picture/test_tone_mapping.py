"""HDR becomes SDR as the standards say, computed here once more: slowly, in float64 and without tables."""

import av
import numpy as np
import pytest

from rhovideo.config import load_cfg
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.data.video.picture.box import Box
from rhovideo.data.video.picture.tone_mapping import HLG, PQ, tone_map
from rhovideo.data.video.reader import Video
from rhovideo.data.video.torchcodec_reader import TorchcodecVideo, why_no_torchcodec
from tests.videos import write_video

BT709, BT2020, P3_D65 = 1, 9, 12
XY = {
    BT709: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    P3_D65: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}


def to_xyz(primaries):
    """RGB to XYZ from the chromaticities and the white of D65."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in XY[primaries]]).T
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return columns * np.linalg.solve(columns, white)


def pq_eotf(signal):
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = signal ** (1 / m2)
    return 10000 * (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)


def pq_inverse(light):
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = (light / 10000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def hlg_display(rgb):
    """BT.2100: inverse OETF, then the OOTF of a display of 1000 cd/m²."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.array([v * v / 3 if v <= 0.5 else (np.exp((v - c) / a) + b) / 12 for v in rgb])
    luminance = scene @ [0.2627, 0.6780, 0.0593]
    return 1000 * luminance**0.2 * scene if luminance else scene


def bt2390(light):
    """The EETF from a peak of 1000 cd/m² to one of 203."""
    top, most = pq_inverse(1000), pq_inverse(203) / pq_inverse(1000)
    bright, knee = pq_inverse(min(max(light, 0), 1000)) / top, 1.5 * most - 0.5
    if bright >= knee:
        t = (bright - knee) / (1 - knee)
        hermite = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
        bright = hermite + (-2 * t**3 + 3 * t**2) * most
    return pq_eotf(bright * top)


def reference(rgb, transfer, primaries):
    """One pixel, 0..1, as SDR: float64, 0..255."""
    light = np.array([pq_eotf(v) for v in rgb]) if transfer == PQ else hlg_display(rgb)
    light = np.linalg.solve(to_xyz(BT709), to_xyz(primaries) @ light)
    return np.array([255 * min(bt2390(v) / 203, 1) ** (1 / 2.4) for v in light])


@pytest.mark.parametrize("primaries", [BT2020, BT709, P3_D65])
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_a_picture_is_as_the_standards_say(transfer, primaries):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 65536, (20, 20, 3)).astype(np.uint16)
    picture[:4] = np.linspace(0, 65535, 80).astype(np.uint16).reshape(4, 20, 1)
    expected = np.array([[reference(pixel / 65535, transfer, primaries) for pixel in row] for row in picture])
    assert np.abs(tone_map(picture, transfer, primaries) - expected).max() < 1.5


def test_grey_ramps_rise_without_steps_and_end_at_white():
    for transfer, white in ((PQ, pq_inverse(1000)), (HLG, 1.0)):
        codes = np.linspace(0, white, 1024)
        ramp = np.round(codes * 65535).astype(np.uint16)[None, :, None].repeat(3, 2)
        levels = tone_map(ramp, transfer, BT2020)[0].astype(int)
        assert (np.ptp(levels, axis=1) <= 1).all()
        steps = np.diff(levels[:, 1])
        assert steps.min() >= 0
        assert steps.max() <= 2
        assert (levels[0, 1], levels[-1, 1]) == (0, 255)


def write_hdr(path, transfer, pix_fmt="yuv420p10le", frames=6, seed=0, **stream_keys):
    """A video of four flat quarters, tagged as HDR of BT.2020, and each quarter's R'G'B' in 0..1."""
    colours = np.random.default_rng(seed).uniform(0.1, 0.7, (4, 3))
    codes = np.round(colours * 65535).astype(np.uint16)
    picture = np.empty((64, 96, 3), np.uint16)
    for quarter, code in enumerate(codes):
        top, left = quarter // 2 * 32, quarter % 2 * 48
        picture[top : top + 32, left : left + 48] = code
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"qp": "0", "colorprim": "bt2020"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = BT2020, transfer, 9, 1
        if "rotation" in stream_keys:
            stream.set_display_rotation(stream_keys["rotation"])
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb48le")
            frame = frame.reformat(format=pix_fmt, dst_colorspace=9, dst_color_range=1)
            frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = BT2020, transfer, 9, 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path, codes / 65535


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv420p"])
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_a_video_is_as_the_standards_say(tmp_path, transfer, pix_fmt):
    """Within what the video's own quantisation moves a colour."""
    path, colours = write_hdr(tmp_path / "hdr.mp4", transfer, pix_fmt)
    with Video(path) as video:
        shown = video.frames([0, 5])
    assert shown.dtype == np.uint8
    bits = 8 if pix_fmt == "yuv420p" else 10
    for quarter, colour in enumerate(colours):
        pixel = shown[:, quarter // 2 * 32 + 16, quarter % 2 * 48 + 24]
        near = colour + np.array([[-1], [0], [1]]) * 3 / 2**bits
        bounds = np.array([reference(each.clip(0, 1), transfer, BT2020) for each in near])
        slack = np.abs(bounds - bounds[1]).max() * 2 + 1.5
        assert np.abs(pixel - bounds[1]).max() < slack


def plain_frames(path):
    """All frames as FFmpeg's scaler turns them into RGB, and nothing else."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_off_is_the_plain_decode_bit_for_bit(tmp_path, transfer):
    path, _ = write_hdr(tmp_path / "hdr.mp4", transfer)
    with Video(path, tone_map=False) as off, Video(path) as on:
        assert np.array_equal(off.frames(range(6)), plain_frames(path))
        assert not np.array_equal(on.frames(range(6)), off.frames(range(6)))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le"])
def test_an_sdr_video_is_the_plain_decode_with_both(tmp_path, pix_fmt):
    path = write_video(tmp_path / "sdr.mp4", num_frames=5, pix_fmt=pix_fmt)
    with Video(path, tone_map=False) as off, Video(path) as on:
        assert np.array_equal(off.frames(range(5)), plain_frames(path))
        assert np.array_equal(on.frames(range(5)), plain_frames(path))


@pytest.mark.parametrize("rotation", [0, 90])
def test_a_box_of_a_turned_picture_is_a_part_of_the_whole(tmp_path, rotation):
    path, _ = write_hdr(tmp_path / "hdr.mp4", PQ, rotation=rotation)
    box, parts = Box(top=11, left=7, height=30, width=41), []
    with Video(path) as video:
        (whole,) = video.frames([2])
        video.each([2], lambda picture, places: parts.append(picture.rgb(box)))
    assert whole.shape == ((96, 64, 3) if rotation else (64, 96, 3))
    assert np.array_equal(parts[0], whole[11:41, 7:48])


@pytest.mark.skipif(bool(why_no_torchcodec()), reason="needs torchcodec")
@pytest.mark.parametrize("tone", [True, False])
@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv420p"])
def test_torchcodec_gives_the_same_frames(tmp_path, pix_fmt, tone):
    path, _ = write_hdr(tmp_path / "hdr.mp4", HLG, pix_fmt)
    with Video(path, tone_map=tone) as one, TorchcodecVideo(path, tone_map=tone) as other:
        assert np.array_equal(one.frames([0, 3, 5]), other.frames([0, 3, 5]))


@pytest.mark.skipif(bool(why_no_torchcodec()), reason="needs torchcodec")
@pytest.mark.parametrize("tone", [True, False])
def test_torchcodec_itself_reads_hdr_that_is_not_tone_mapped(tmp_path, tone):
    """Of 8 bits and without a matrix, which it converts as PyAV does; it has no tone mapping."""
    path = write_video(tmp_path / "pq.mp4", num_frames=6, options={"x264-params": "transfer=smpte2084"})
    with Video(path, tone_map=tone) as one, TorchcodecVideo(path, tone_map=tone) as other:
        assert np.array_equal(one.frames(range(6)), other.frames(range(6)))
        assert np.array_equal(other.frames(range(6)), plain_frames(path)) != tone
        assert (other._shape_if_alike is None) == tone


@pytest.mark.parametrize("tone", [True, False])
def test_the_key_decides_what_is_trained_on(tmp_path, tone):
    path, _ = write_hdr(tmp_path / "hdr.mp4", PQ)
    (tmp_path / "train.csv").write_text("hdr.mp4\n")
    keys = ["DATA.PATH_TO_DATA_DIR", tmp_path, "DATA.TONE_MAP", tone, "DATA.SSL_COLOR_JITTER", False]
    keys += ["DATA.AUG_SPATIAL", False, "DATA.TRAIN_CROP_SIZE", 64, "DATA.NUM_FRAMES", 2, "DATA.SAMPLING_RATE", 1]
    sample = build_dataset(load_cfg("demo/simclr", keys), "train", "pretrain")[SampleKey(0, 0)]
    with Video(path, tone_map=tone) as video:
        expected = video.frames([0])[0, :, 16:80]
    assert np.array_equal(sample.clips[0, 0].numpy(), expected)
