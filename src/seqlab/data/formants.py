"""Words that nobody spoke: pulses through the resonances of vowels, made by code."""

from __future__ import annotations

from functools import cache

import numpy as np

from seqlab.data.words import RATE, Words

VOWELS = {
    "i": (270, 2290, 3010),
    "ɪ": (390, 1990, 2550),
    "ɑ": (730, 1090, 2440),
    "ʌ": (640, 1190, 2390),
    "u": (300, 870, 2240),
    "ʊ": (440, 1020, 2240),
}
"""Their first three resonances in Hz: means over men (Peterson & Barney 1952, Table II)."""

BANDWIDTHS = (60, 90, 150)
"""Of the resonances, in Hz."""

FORWARD = ("iɑu", "ɪɑu", "iʌu", "iɑʊ", "ɑiu")
WORDS = (*FORWARD, *(word[::-1] for word in FORWARD))
"""Ten words of three vowels. Some differ in one vowel and its neighbour; half are the others backwards, so that only
the order tells a word from its reverse."""

NOISE = (-2, -1)
"""The noise of a word lies between these powers of ten of its loudest sample."""

SPEAKERS, TIMES = 20, 5
"""How many speakers there are, and how often each says each word."""


@cache
def words() -> Words:
    """A thousand synthesised words, the same at each call.

    A speaker has a throat, which scales all resonances, a pitch and a tempo. Each time that a word is said its vowels
    glide into each other at another pace, louder or softer, with some noise and a pause before and after it. None of
    this depends on the word.
    """
    rng = np.random.default_rng(1952)
    n = SPEAKERS * len(WORDS) * TIMES
    speaker, word = np.repeat(np.arange(SPEAKERS), n // SPEAKERS), np.arange(n) % len(WORDS)
    throat = rng.uniform(0.9, 1.2, SPEAKERS)[speaker]
    pitch = 90 * throat**3 * rng.uniform(0.9, 1.3, SPEAKERS)[speaker]
    seconds = rng.uniform(0.25, 0.4, SPEAKERS)[speaker] * rng.uniform(0.8, 1.2, n)
    pauses = rng.uniform(0, 0.05, (2, n))
    middle = rng.uniform(0.4, 0.6, n)

    T = round(RATE * (seconds + pauses.sum(0)).max())
    time = (np.arange(T)[:, None] / RATE - pauses[0]) / seconds  # (T, n): of each word, from 0 to 1
    swell = np.sin(np.pi * time.clip(0, 1))
    sound = _pulses(pitch * (1 + 0.1 * swell))
    for resonance, bandwidth in enumerate(BANDWIDTHS):
        vowels = np.array([[VOWELS[vowel][resonance] for vowel in WORDS[w]] for w in word])
        sound = _resonate(sound, throat * _glide(vowels, middle, time), bandwidth)
    sound *= np.sqrt(swell)
    sound /= abs(sound).max(0)
    sound += rng.standard_normal((T, n)) * 10 ** rng.uniform(*NOISE, n)
    sound *= rng.uniform(0.2, 0.7, n)
    lengths = np.ceil(RATE * (seconds + pauses.sum(0))).astype(int)
    waves = [wave[:length] for wave, length in zip(sound.T.copy(), lengths, strict=True)]
    return Words(waves, np.array(WORDS)[word], np.char.mod("speaker %02d", speaker))


def _pulses(pitch: np.ndarray) -> np.ndarray:
    """One at each beginning of a period, else zero, for pitches in Hz (T, n)."""
    return np.diff(np.floor(np.cumsum(pitch / RATE, 0)), axis=0, prepend=0)


def _glide(vowels: np.ndarray, middle: np.ndarray, time: np.ndarray) -> np.ndarray:
    """A resonance in Hz (T, n) that goes straight from vowel to vowel (n, 3); the second is reached at ``middle``."""
    first, second, third = vowels.T
    to_second, to_third = (time - 0.1) / (middle - 0.1), (time - middle) / (0.9 - middle)
    return first + (second - first) * to_second.clip(0, 1) + (third - second) * to_third.clip(0, 1)


def _resonate(x: np.ndarray, frequency: np.ndarray, bandwidth: float) -> np.ndarray:
    """Sounds (T, n) through a resonator whose frequency in Hz (T, n) moves (Klatt 1980, equations 1 and 2)."""
    C = -np.exp(-2 * np.pi * bandwidth / RATE)
    B = 2 * np.exp(-np.pi * bandwidth / RATE) * np.cos(2 * np.pi * frequency / RATE)
    A = 1 - B - C
    y = np.zeros((len(x) + 2, x.shape[1]))
    for t in range(len(x)):
        y[t + 2] = A[t] * x[t] + B[t] * y[t + 1] + C * y[t]
    return y[2:]
