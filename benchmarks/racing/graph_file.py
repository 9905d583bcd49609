"""A graph of fastconv as JSON and its arrays one after another, to be read without fastconv."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def write(graph: Any, description: Path, arrays: Path) -> None:
    """The graph's nodes; values are numbered, the inputs first and then each node's."""
    numbers = {value: i for i, value in enumerate(graph.inputs)}
    nodes, start = [], 0
    with arrays.open("wb") as file:
        for node in graph.nodes:
            held = {}
            for name, array in node.arrays.items():
                np.ascontiguousarray(array).tofile(file)
                held[name] = start, array.shape
                start += array.size
            numbers[node.output] = len(numbers)
            nodes.append(
                {
                    "kind": node.kind,
                    "inputs": [numbers[value] for value in node.inputs],
                    "shape": node.output.shape,
                    "options": node.options,
                    "arrays": held,
                }
            )
    told = {
        "dtype": graph.dtype.name,
        "inputs": len(graph.inputs),
        "nodes": nodes,
        "outputs": [numbers[value] for value in graph.outputs],
    }
    description.write_text(json.dumps(told), encoding="utf-8")


def read(description: Path, arrays: Path) -> dict[str, Any]:
    """What was written, with the arrays in the place of where they lie: parts of one."""
    graph = json.loads(description.read_text(encoding="utf-8"))
    everything = np.fromfile(arrays, graph["dtype"])
    for node in graph["nodes"]:
        for name, (start, shape) in node["arrays"].items():
            size = int(np.prod(shape))
            node["arrays"][name] = everything[start : start + size].reshape(shape)
    return graph
