"""Made-up cameras: what each does to a frame, by the camera model of the training (`degrade.record`)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from facesieve_training.degrade import NOTHING, Span, generator, record
from facesieve_training.faces import Image


def _never() -> Span:
    return Span(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Camera:
    """One camera. Chance and strength of an effect are drawn once a recording, except that each frame has
    noise of its own; lengths are pixels of the frame.
    """

    defocus: Span = field(default_factory=_never)
    """Sigma of the Gaussian blur."""
    motion: Span = field(default_factory=_never)
    """Length of the motion blur."""
    dark: Span = field(default_factory=_never)
    """Gain below one."""
    noise: Span = field(default_factory=_never)
    """Sigma of the sensor's noise, grey levels."""

    def recorder(self, seed: int, recording: str) -> Callable[[int, Image], Image]:
        """Return what degrades the frames of one recording, given their numbers."""
        lens = replace(NOTHING, defocus=self.defocus, motion=self.motion, dark=self.dark)
        sigma = self.noise.draw(generator(seed, recording, 1))
        sensor = replace(NOTHING, noise=Span(1.0, sigma, sigma)) if sigma else None

        def degrade(number: int, frame: Image) -> Image:
            seen = record(frame, lens, generator(seed, recording, 0))
            return record(seen, sensor, generator(seed, recording, 2 + number)) if sensor else seen

        return degrade
