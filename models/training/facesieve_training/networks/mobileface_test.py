import numpy as np
import pytest

from facesieve_training.networks.mobileface import STRIDES, MobileFaceConfig, convolutions, mobileface
from facesieve_training.networks.resnet import macs

SMALL = MobileFaceConfig(8, tuple(8 if stride == 2 else 0 for stride in STRIDES), 32)


def test_the_published_network_costs_what_is_published() -> None:
    hidden = (128, 128, 128, 128, 128, 256, 256, 256, 256, 256, 256, 256, 512, 256, 256)
    model = mobileface(MobileFaceConfig(64, hidden, 512))
    assert model.output.shape == (None, 512)
    assert macs(model) == pytest.approx(221e6, rel=0.02)


def test_the_default_is_cheap_enough_for_a_camera() -> None:
    assert macs(mobileface(MobileFaceConfig())) < 60e6


def test_a_block_of_no_channels_is_left_out() -> None:
    assert len(convolutions(mobileface(SMALL))) == 2 + 3 * sum(h > 0 for h in SMALL.hidden) + 1


def test_a_face_in_the_middle_stays_there() -> None:
    """Every stride samples symmetrically to the pixel before, as the teacher's do."""
    model = mobileface(SMALL)
    strided = [layer for layer in convolutions(model) if layer.strides[0] == 2]
    assert [layer.padding for layer in strided] == ["valid"] * len(strided)
    assert [layer.output.shape[1] for layer in strided] == [56, 28, 14, 7]
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 112, 112, 3)).astype(np.float32)
    assert np.asarray(model(picture)).shape == (1, 32)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (MobileFaceConfig(hidden=(8,)), "hidden: must be 15 numbers"),
        (MobileFaceConfig(hidden=(0,) * 15), "hidden: must be 15 numbers"),
        (MobileFaceConfig(stem=0), "stem: must be above 0"),
    ],
)
def test_what_is_no_network_is_told(config: MobileFaceConfig, fault: str) -> None:
    assert config.faults()[0].startswith(fault)
