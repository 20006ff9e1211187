"""Log-mel frames say how loud it is in which band and when."""

from __future__ import annotations

import numpy as np
import pytest

from seqlab.data.mel import FFT, HOP, WINDOW, bank, log_mel, mel
from seqlab.data.words import RATE
from seqlab.errors import DataError


def hertz(pitch):
    """The inverse of the formula."""
    return 700 * (10 ** (pitch / 2595) - 1)


def tone(frequency: float, n: int = 2000, loud: float = 1.0) -> np.ndarray:
    return loud * np.sin(2 * np.pi * frequency * np.arange(n) / RATE)


def test_a_thousand_hertz_are_a_thousand_mel() -> None:
    """By which the scale is defined; and the formula is undone by its inverse."""
    assert mel(1000.0) == pytest.approx(1000, abs=0.1)
    assert mel(0.0) == 0
    assert mel(4000.0) == pytest.approx(2146.1, abs=0.1)
    frequencies = np.linspace(0, 4000, 50)
    np.testing.assert_allclose(hertz(mel(frequencies)), frequencies, atol=1e-9)


@pytest.mark.parametrize("n_mels", [10, 26, 40])
def test_triangles_lie_evenly_in_mel_and_add_up_to_one(n_mels: int) -> None:
    """Their weights sum to 1 at each frequency between the first and the last centre; each peaks nearest its centre."""
    weights = bank(n_mels)
    assert weights.shape == (n_mels, FFT // 2 + 1)
    assert weights.min() == 0
    frequencies = np.fft.rfftfreq(FFT, 1 / RATE)
    centres = hertz(np.arange(1, n_mels + 1) * mel(RATE / 2) / (n_mels + 1))
    inside = (frequencies >= centres[0]) & (frequencies <= centres[-1])
    np.testing.assert_allclose(weights.sum(0)[inside], 1)
    assert (abs(frequencies[weights.argmax(1)] - centres) <= RATE / FFT).all()


@pytest.mark.parametrize("band", [5, 20, 35])
def test_a_pure_tone_lights_its_band(band: int) -> None:
    """A sine at a band's centre is loudest there, with the power of a sine, and four times louder at double height."""
    centre = hertz((band + 1) * mel(RATE / 2) / 41)
    soft, loud = log_mel(tone(centre, loud=0.2), bank(40)), log_mel(tone(centre, loud=0.4), bank(40))
    assert (soft.argmax(1) == band).all()
    np.testing.assert_allclose(loud[:, band] - soft[:, band], np.log(4), atol=1e-3)
    far = np.delete(soft, range(band - 4, min(band + 5, 40)), axis=1)
    assert (far < soft[:, [band]] - 5).all()


def test_power_is_that_of_the_sound() -> None:
    """A sine of height 0.2 has 0.2²/2 at its frequency, and a constant 0.2 has 0.2² at zero."""
    every = np.eye(FFT // 2 + 1)
    np.testing.assert_allclose(log_mel(tone(1000, loud=0.2), every)[:, 32], np.log(0.02), atol=1e-3)
    np.testing.assert_allclose(log_mel(np.full(1000, 0.2), every)[:, 0], np.log(0.04), atol=1e-3)


def test_frames_follow_each_other_every_ten_milliseconds() -> None:
    """One for each hop that fits; a click is in the frames that hear it; what is too short makes one frame."""
    weights = bank(10)
    click = np.zeros(1000)
    click[500] = 1
    frames = log_mel(click, weights)
    assert len(frames) == 1 + (1000 - WINDOW) // HOP
    heard = np.flatnonzero(frames.max(1) > np.log(2e-8))
    assert heard.tolist() == [t for t in range(len(frames)) if t * HOP < 500 < t * HOP + WINDOW]
    assert log_mel(tone(500, 30), weights).shape == (1, 10)


def test_more_bands_than_there_are_frequencies_are_refused() -> None:
    """An empty band would say nothing."""
    with pytest.raises(DataError, match=r"data\.n_mels=200: 129 frequencies are too few"):
        bank(200)
