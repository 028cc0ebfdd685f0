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


def test_a_block_without_channels_is_omitted() -> None:
    assert len(convolutions(mobileface(SMALL))) == 2 + 3 * sum(h > 0 for h in SMALL.hidden) + 1


def test_a_face_in_the_middle_stays_there() -> None:
    """Every stride samples like the teacher's, symmetrically to the previous pixel."""
    model = mobileface(SMALL)
    strided = [layer for layer in convolutions(model) if layer.strides[0] == 2]
    assert [layer.padding for layer in strided] == ["valid"] * len(strided)
    assert [layer.output.shape[1] for layer in strided] == [56, 28, 14, 7]
    image = np.random.default_rng(0).uniform(-1, 1, (1, 112, 112, 3)).astype(np.float32)
    assert np.asarray(model(image)).shape == (1, 32)


def test_early_strides_make_maps_small_and_channels_cheap() -> None:
    hidden = (102,) * 5 + (204,) * 7 + (409, 204, 204)
    model = mobileface(MobileFaceConfig(64, hidden, 512, (2, 2, 2, 1)))
    strided = [layer for layer in convolutions(model) if layer.strides[0] == 2]
    assert [layer.output.shape[1] for layer in strided] == [56, 28, 14, 7]
    assert convolutions(model)[-1].output.shape[1] == 7
    assert macs(model) < 60e6
    assert model.count_params() > 2 * mobileface(MobileFaceConfig()).count_params()


def test_a_map_with_an_odd_side_is_sampled_symmetrically() -> None:
    model = mobileface(MobileFaceConfig(8, SMALL.hidden, 32, (2, 2, 2, 2)))
    last = [layer for layer in convolutions(model) if layer.strides[0] == 2][-1]
    assert (last.padding, last.input.shape[1], last.output.shape[1]) == ("same", 7, 4)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (MobileFaceConfig(hidden=(8,)), "hidden: must be 15 numbers"),
        (MobileFaceConfig(hidden=(0,) * 15), "hidden: must be 15 numbers"),
        (MobileFaceConfig(stem=0), "stem: must be above 0"),
        (MobileFaceConfig(strides=(1, 2, 2)), "strides: must be 4 numbers"),
        (MobileFaceConfig(strides=(1, 2, 2, 3)), "strides: must be 4 numbers"),
    ],
)
def test_invalid_networks_are_faults(config: MobileFaceConfig, fault: str) -> None:
    assert config.faults()[0].startswith(fault)
