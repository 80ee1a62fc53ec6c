"""HDR pictures as SDR ones: PQ and HLG become BT.709 with the gamma of BT.1886 (DATA.TONE_MAP).

Shown as if it were SDR, an HDR picture is grey and washed out, so an encoder would learn of the camera. The steps:

1. the transfer's EOTF (SMPTE ST 2084; BT.2100 HLG with its OOTF for a display of 1000 cd/m²) gives light in cd/m²;
2. a matrix turns the primaries of BT.2020 (or P3-D65) into those of BT.709; what lies outside is clipped;
3. the curve of BT.2390 compresses each channel from 1000 cd/m² to 203, which BT.2408 has as the white of SDR;
4. the inverse of BT.1886 gives 8-bit values.

A table holds step 1 for each 16-bit value. Another one holds steps 3 and 4, by the square root of the light, which is
fine enough for the dark end.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

# FFmpeg's numbers of transfers (AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67) and primaries.
PQ, HLG = 16, 18
TRANSFERS = {PQ: "PQ", HLG: "HLG"}
_BT709_PRIMARIES, _BT2020_PRIMARIES, _P3_D65_PRIMARIES = 1, 9, 12

# cd/m²
SOURCE_PEAK = 1000.0
SDR_WHITE = 203.0
_PQ_PEAK = 10_000.0
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073
# At 1000 cd/m².
_HLG_GAMMA = 1.2
_LUMA_2020 = (0.2627, 0.6780, 0.0593)
_D65 = (0.3127, 0.3290)
# Chromaticities x, y of red, green and blue.
_CHROMATICITIES = {
    _BT709_PRIMARIES: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    _BT2020_PRIMARIES: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    _P3_D65_PRIMARIES: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_STEPS = 2**14


def is_hdr(transfer: int) -> bool:
    """True if FFmpeg's number of a transfer stands for PQ or HLG."""
    return transfer in TRANSFERS


def tone_map(picture: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Turn an HDR picture into an SDR one.

    Args:
        picture: uint16 [H,W,3], RGB of full range, not linear.
        transfer: FFmpeg's number: PQ or HLG.
        primaries: FFmpeg's number; any but BT.709 and P3-D65 stands for BT.2020, which HDR has as a rule.

    Returns:
        uint8 [H,W,3], RGB with the primaries of BT.709.
    """
    light = _light_table(transfer)[picture]
    if transfer == HLG:
        # The OOTF: what a display of this peak makes of the scene's light, by its luminance.
        luminance = cv2.transform(light, np.array([_LUMA_2020], np.float32))
        light *= cv2.pow(luminance, _HLG_GAMMA - 1)[..., None]
    if primaries != _BT709_PRIMARIES:
        known = primaries if primaries in _CHROMATICITIES else _BT2020_PRIMARIES
        light = cv2.transform(light, _to_bt709(known))
    np.clip(light, 0, 1, out=light)
    places = cv2.sqrt(light)
    places *= _STEPS - 1
    places += 0.5
    return _sdr_table()[places.astype(np.uint16)]


@lru_cache(maxsize=2)
def _to_bt709(primaries: int) -> np.ndarray:
    """The matrix from linear RGB of these primaries to that of BT.709, float32 [3,3].

    It is computed, since the four digits of printed ones move dark colours next to bright ones by four levels.
    """
    matrix: np.ndarray = np.linalg.solve(_to_xyz(_BT709_PRIMARIES), _to_xyz(primaries)).astype(np.float32)
    return matrix


def _to_xyz(primaries: int) -> np.ndarray:
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in _CHROMATICITIES[primaries]]).T
    x, y = _D65
    scales: np.ndarray = np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y]))
    return columns * scales


@lru_cache(maxsize=2)
def _light_table(transfer: int) -> np.ndarray:
    """Light of each 16-bit value, as a share of SOURCE_PEAK: float32 [65536]; of HLG, the scene's."""
    signal = np.arange(2**16) / (2**16 - 1)
    light = pq_to_light(signal) / SOURCE_PEAK if transfer == PQ else hlg_to_scene(signal)
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _sdr_table() -> np.ndarray:
    """8-bit values of light, by its square root as a share of SOURCE_PEAK: uint8 [_STEPS]."""
    light = (np.arange(_STEPS) / (_STEPS - 1)) ** 2 * SOURCE_PEAK
    values = (compress(light) / SDR_WHITE).clip(0, 1) ** (1 / 2.4)
    return np.round(values * 255).astype(np.uint8)


def pq_to_light(signal: np.ndarray) -> np.ndarray:
    """Light in cd/m² of a PQ signal in 0..1 (ST 2084)."""
    power = signal ** (1 / _M2)
    light: np.ndarray = _PQ_PEAK * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)
    return light


def light_to_pq(light: np.ndarray | float) -> np.ndarray:
    """The PQ signal, 0..1, of light in cd/m²."""
    power = (np.asarray(light, np.float64) / _PQ_PEAK) ** _M1
    signal: np.ndarray = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal


def hlg_to_scene(signal: np.ndarray) -> np.ndarray:
    """Light of the scene, 0..1, of an HLG signal in 0..1 (BT.2100)."""
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _HLG_C) / _HLG_A) + _HLG_B) / 12)


def compress(light: np.ndarray) -> np.ndarray:
    """Light in cd/m², at most SOURCE_PEAK, as light of at most SDR_WHITE: BT.2390's curve for a black of 0."""
    top = float(light_to_pq(SOURCE_PEAK))
    bright = light_to_pq(light) / top
    most = float(light_to_pq(SDR_WHITE)) / top
    knee = 1.5 * most - 0.5
    t = (bright - knee) / (1 - knee)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    return pq_to_light(np.where(bright < knee, bright, bent) * top)
