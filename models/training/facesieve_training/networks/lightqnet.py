"""LightQNet (Chen et al. 2021): the layers of its published file, and its score on any back end.

`teacher.lightqnet` runs the file with OpenCV, one face at a time and on a CPU only. This module is for
training on a GPU.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from keras import ops
from numpy.typing import NDArray

from facesieve_training.faces import SIZE

SIDE = 96
"""Pixels across a face as the network takes it."""
Array = NDArray[np.float32]


@dataclass
class Convolution:
    """A convolution with folded batch norm."""

    kernel: Array
    """Height x width x in x out; of a depthwise one height x width x channels x 1."""
    bias: Array
    stride: int = 1
    depthwise: bool = False
    relu: bool = False


@dataclass
class Block:
    """Convolutions one after the other."""

    layers: list[Convolution]
    adds: bool = False
    """Whether the input is added to the output."""


@dataclass
class LightQNet:
    """The whole network; the dense layer after the mean over the last maps gives the logit."""

    blocks: list[Block]
    kernel: Array
    bias: Array


def read(file: Path) -> LightQNet:
    """Read the published TensorFlow graph; ValueError for another file."""
    from tensorflow.core.framework import graph_pb2
    from tensorflow.python.framework import tensor_util

    graph = graph_pb2.GraphDef()
    try:
        graph.ParseFromString(file.read_bytes())
    except Exception as error:  # protobuf's fault has no public name
        raise ValueError(f"it is not a TensorFlow graph: {error}") from error
    constants = {
        n.name: tensor_util.MakeNdarray(n.attr["value"].tensor) for n in graph.node if n.op == "Const"
    }
    blocks: dict[str, Block] = {}
    dense: list[Array] = []
    for node in graph.node:
        weights = [
            constants[name.removesuffix("/read")]
            for name in node.input
            if name.removesuffix("/read") in constants
        ]
        if node.op in ("MatMul", "BiasAdd"):
            dense.append(weights[0])
        scope = node.name.split("/")
        if len(scope) > 2 and scope[1] == "MobilenetV3":
            _take(node, weights, blocks.setdefault(scope[2], Block([])))
    found = [block for block in blocks.values() if block.layers]
    if len(dense) != 2 or not found:
        raise ValueError("it does not have the layers of LightQNet")
    return LightQNet(found, *dense)


def _take(node: Any, weights: list[Array], block: Block) -> None:
    """Add a node to a block: a convolution, or a part of the last one."""
    if node.op in ("Conv2D", "DepthwiseConv2dNative"):
        kernel, depthwise = weights[0], node.op != "Conv2D"
        zeros = np.zeros(kernel.shape[2 if depthwise else 3], np.float32)
        block.layers.append(Convolution(kernel, zeros, node.attr["strides"].list.i[1], depthwise))
    elif node.op == "FusedBatchNorm":
        gamma, beta, mean, variance = weights
        layer, slope = block.layers[-1], gamma / np.sqrt(variance + node.attr["epsilon"].f)
        layer.kernel = layer.kernel * (slope[:, None] if layer.depthwise else slope)
        layer.bias = beta - mean * slope
    elif node.op == "Relu":
        block.layers[-1].relu = True
    elif node.op == "Add":
        block.adds = True


def score(network: LightQNet, faces: Any) -> Any:
    """Score N x 112 x 112 x 3 aligned faces, BGR 0..255, from 0 to 1: N."""
    shrink = _shrinking()
    small = ops.einsum("ij,njkc,lk->nilc", shrink, ops.cast(faces, "float32"), shrink)
    x = (ops.round(small) - 128) / 128
    for block in network.blocks:
        y = x
        for layer in block.layers:
            convolve = ops.depthwise_conv if layer.depthwise else ops.conv
            y = convolve(y, layer.kernel, layer.stride, "same") + layer.bias
            y = ops.relu(y) if layer.relu else y
        x = x + y if block.adds else y
    return ops.sigmoid(ops.matmul(ops.mean(x, axis=(1, 2)), network.kernel) + network.bias)[:, 0]


@lru_cache(1)
def _shrinking() -> Array:
    """OpenCV's area averaging of a row of 112 pixels, as a matrix."""
    return np.asarray(cv2.resize(np.eye(SIZE, dtype=np.float32), (SIZE, SIDE), interpolation=cv2.INTER_AREA))
