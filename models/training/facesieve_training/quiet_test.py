import os

import pytest

from facesieve_training.quiet import without_notes

LINES = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    b"I0000 00:00:1795.5  29696 port.cc:153] oneDNN custom operations are on.",
    b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    b"E0000 00:00:1795.6  29696 driver.cc:1] no device",
    b"Warning: other",
)


def print_and_fail() -> None:
    for line in LINES:
        os.write(2, line + b"\n")
    os.write(-1, b"")


def test_notes_are_dropped_and_errors_are_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="Bad file descriptor"), without_notes():
        print_and_fail()
    os.write(2, b"I0000 after\n")
    assert capfd.readouterr().err == (
        "E0000 00:00:1795.6  29696 driver.cc:1] no device\nWarning: other\nI0000 after\n"
    )
