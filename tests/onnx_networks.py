"""Small networks as ONNX files, which tests make and torch repeats."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def convolving(path, weight, bias, *, side, tail=(), inputs=1, name="image"):
    """Write a network of one 3x3 convolution; what it gives goes through nodes, (type, attributes)."""
    shape = [1, weight.shape[1], side, side]
    names = [name, *(f"other{number}" for number in range(1, inputs))]
    rank = 4
    nodes, last = [helper.make_node("Conv", [name, "weight", "bias"], ["y0"], pads=[1] * 4)], "y0"
    for other in names[1:]:
        nodes.append(helper.make_node("Add", [last, other], [f"{last}+"]))
        last += "+"
    for number, (kind, attributes) in enumerate(tail, start=1):
        nodes.append(helper.make_node(kind, [last], [f"y{number}"], **attributes))
        last = f"y{number}"
        rank -= (kind == "Flatten") * 2 + (attributes.get("keepdims") == 0)
    kind = TensorProto.INT64 if tail and tail[-1][0] == "ArgMax" else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "network", [helper.make_tensor_value_info(each, TensorProto.FLOAT, shape) for each in names],
        [helper.make_tensor_value_info(last, kind, [None] * rank)],
        [numpy_helper.from_array(np.asarray(array, np.float32), each)
         for each, array in (("weight", weight), ("bias", bias))],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
