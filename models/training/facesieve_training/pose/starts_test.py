import numpy as np

from facesieve_training.pose import fit, starts


def test_angles_invert_rotation() -> None:
    rng = np.random.default_rng(1)
    wanted = rng.uniform(-80, 80, (50, 2))
    np.testing.assert_allclose(starts.angles(starts.rotation(wanted)), wanted)


def test_rotations_about_one_axis_add() -> None:
    some = starts.turned(np.array([[0.0, 10], [5, 0]]), np.array([[0.0, 20], [30, 0]]))
    np.testing.assert_allclose(some, [[0, 30], [35, 0]], atol=1e-9)


def test_the_poses_of_photographs_are_found() -> None:
    rng = np.random.default_rng(2)
    photos, views = 120, 8
    own = rng.normal(0, 8, (photos, 2))
    own -= own.mean(axis=0)
    photo = np.repeat(np.arange(photos), views).astype(np.int32)
    mirrored = rng.random(len(photo)) < 0.5
    by = rng.uniform(-30, 30, (len(photo), 2))
    truth = starts.of_views(own, photo, mirrored, by)
    axes = rng.normal(0, 1, (2, 40))
    values = np.clip(np.round(truth @ axes + rng.normal(0, 12, (len(photo), 40))), -128, 127).astype(np.int8)
    error = [
        np.abs(starts.estimate(values, photo, mirrored, by, rounds, 1) - own).mean(axis=0)
        for rounds in (0, 1, 3)
    ]
    assert (error[0] > 5).all(), "without a round the poses are 0"
    assert (error[1] < error[0] / 1.7).all()
    assert (error[2] < error[0] / 2).all()


def test_the_fit_finds_the_pose_of_its_own_head() -> None:
    wanted = np.array([[0.0, 0], [30, -20], [-45, 10], [10, 40]])
    head = fit._HEAD @ np.swapaxes(starts.rotation(wanted), 1, 2)
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    found = fit.fit(40 * head[..., :2] @ turn + 100)
    np.testing.assert_allclose(found, wanted, atol=0.3)
