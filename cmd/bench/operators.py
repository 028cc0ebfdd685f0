"""The time of each operator of a network under XNNPACK, by its own profiler.

usage: operators.py NETWORK.tflite WIDTH HEIGHT

It prints the ten most expensive operators, each with its number in the order of execution. TensorFlow Lite
gives the times to a telemetry profiler of its C interface. One thread; the smallest of many runs.
"""

import ctypes
import sys
from ctypes import c_char_p, c_int, c_int64, c_uint32, c_uint64, c_void_p

RUNS, SHOWN = 40, 10
TelemetryEvent = ctypes.CFUNCTYPE(None, c_void_p, c_char_p, c_uint64)
OperatorEvent = ctypes.CFUNCTYPE(None, c_void_p, c_char_p, c_int64, c_int64, c_uint64)
Settings = ctypes.CFUNCTYPE(None, c_void_p, c_char_p, c_void_p)
Begin = ctypes.CFUNCTYPE(c_uint32, c_void_p, c_char_p, c_int64, c_int64)
End = ctypes.CFUNCTYPE(None, c_void_p, c_uint32)
Operator = ctypes.CFUNCTYPE(None, c_void_p, c_char_p, c_uint64, c_int64, c_int64)


class Profiler(ctypes.Structure):
    """TfLiteTelemetryProfilerStruct."""

    _fields_ = (
        ("data", c_void_p),
        ("telemetry", TelemetryEvent),
        ("operator_event", OperatorEvent),
        ("settings", Settings),
        ("begin", Begin),
        ("end", End),
        ("operator", Operator),
    )


def library() -> ctypes.CDLL:
    """Return TensorFlow Lite's C interface."""
    tflite = ctypes.CDLL("libtensorflowlite_c.so")
    for name in (
        "ModelCreateFromFile",
        "InterpreterOptionsCreate",
        "XNNPackDelegateCreate",
        "InterpreterCreate",
    ):
        getattr(tflite, f"TfLite{name}").restype = c_void_p
    return tflite


def profile(network: str, width: int, height: int) -> list[tuple[str, float]]:
    """Return name and time, microseconds, of each operator in the order of execution."""
    tflite = library()
    events: list[tuple[str, float]] = []
    profiler = Profiler(
        None,
        TelemetryEvent(lambda *_: None),
        OperatorEvent(lambda *_: None),
        Settings(lambda *_: None),
        Begin(lambda *_: 0),
        End(lambda *_: None),
        Operator(lambda _profiler, name, took, _operator, _graph: events.append((name.decode(), took))),
    )
    model = tflite.TfLiteModelCreateFromFile(network.encode())
    if not model:
        sys.exit(f"{network}: TensorFlow Lite cannot read the network")
    options = c_void_p(tflite.TfLiteInterpreterOptionsCreate())
    tflite.TfLiteInterpreterOptionsSetNumThreads(options, 1)
    tflite.TfLiteInterpreterOptionsSetTelemetryProfiler(options, ctypes.byref(profiler))
    tflite.TfLiteInterpreterOptionsAddDelegate(options, c_void_p(tflite.TfLiteXNNPackDelegateCreate(None)))
    interpreter = c_void_p(tflite.TfLiteInterpreterCreate(c_void_p(model), options))
    tflite.TfLiteInterpreterResizeInputTensor(interpreter, 0, (c_int * 4)(1, height, width, 3), 4)
    if tflite.TfLiteInterpreterAllocateTensors(interpreter):
        sys.exit(f"{network}: it does not accept {width}x{height} pixels")
    best: list[tuple[str, float]] = []
    for _ in range(RUNS):
        events.clear()
        if tflite.TfLiteInterpreterInvoke(interpreter):
            sys.exit(f"{network}: it failed")
        best = [min(pair, key=lambda e: e[1]) for pair in zip(best or events, events, strict=True)]
    return best


def main() -> None:
    """Print the table."""
    network, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    operators = profile(network, width, height)
    total = sum(took for _, took in operators)
    print(f"{network} at {width}x{height}: {len(operators)} operators, {total / 1000:.2f} ms")
    order = sorted(range(len(operators)), key=lambda k: -operators[k][1])
    for k in order[:SHOWN]:
        name, took = operators[k]
        print(f"{k:6d}  {took / 1000:7.3f} ms  {100 * took / total:5.1f} %  {name}")


if __name__ == "__main__":
    main()
