"""Log-mel frames: how loud a sound is in bands that are as narrow as the ear's, a hundred times a second."""

from __future__ import annotations

import numpy as np
from scipy import signal

from seqlab.data.words import RATE
from seqlab.errors import DataError

WINDOW, HOP, FFT = 200, 80, 256
"""Samples in a frame (25 ms), from one frame to the next (10 ms), and in its Fourier transform."""

FLOOR = 1e-8
"""Added to a band's power before the logarithm: 80 dB below a power of 1."""


def mel(frequency: np.ndarray) -> np.ndarray:
    """Pitch in mel of frequencies in Hz: 2595 log10(1 + f/700) (O'Shaughnessy 1987; the HTK Book, section 5.4)."""
    return 2595 * np.log10(1 + frequency / 700)


def bank(n_mels: int) -> np.ndarray:
    """Weights (n_mels, FFT // 2 + 1) of each frequency in each band.

    The centres lie evenly in mel between 0 and half the sampling rate. A band is a triangle, straight in mel as HTK has
    it, from its neighbours' centres; so the weights of a frequency between the first and the last centre add up to 1.

    Raises:
        DataError: so many bands that one holds no frequency.
    """
    place = mel(np.fft.rfftfreq(FFT, 1 / RATE)) / mel(np.array(RATE / 2)) * (n_mels + 1)
    weights = np.clip(1 - abs(place - np.arange(1, n_mels + 1)[:, None]), 0, None)
    if not weights.any(1).all():
        raise DataError(f"data.n_mels={n_mels}: {len(place)} frequencies are too few for so many bands. Lower it.")
    return weights


def log_mel(wave: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Natural logarithms of the power in each band (frames, n_mels); a wave shorter than a frame makes one.

    Args:
        wave: samples at ``RATE``.
        weights: as ``bank`` gives them.
    """
    wave = np.pad(wave, (max(0, WINDOW - len(wave)), 0))
    overlap = WINDOW - HOP
    _, _, power = signal.spectrogram(wave, RATE, "hann", WINDOW, overlap, FFT, detrend=False, scaling="spectrum")
    return np.log(power.T @ weights.T + FLOOR)
