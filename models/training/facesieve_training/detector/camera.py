"""The camera of whole images, for detectors: most get two or three of its effects."""

from dataclasses import replace

from facesieve_training.degrade import NOTHING, Span, Tone

SCENE = replace(
    NOTHING, motion=Span(0.15, 2, 7), defocus=Span(0.15, 0.3, 1.5), dark=Span(0.14, 0.12, 0.5),
    tone=Tone(0.7, exposure=0.3, colour=0.15, gamma=0.4, lift=0.12), grey=0.056, noise=Span(0.35, 1, 12),
    jpeg=Span(0.4, 20, 90),
)  # fmt: skip
