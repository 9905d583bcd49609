"""A border of its own before a convolution becomes the convolution's border."""

from fastconv.graph.ir import Graph, Node


def fold_pad(graph: Graph) -> None:
    """Where all who take the bordered image are convolutions that can have its border."""
    users = graph.users()
    kept = []
    for node in graph.nodes:
        takers = users[node.output]
        if (
            node.kind == "pad"
            and node.output not in graph.outputs
            and takers
            and all(_takes(node, taker) for taker in takers)
        ):
            for taker in takers:
                _give(node, taker)
        else:
            kept.append(node)
    graph.nodes = kept


def _takes(pad: Node, conv: Node) -> bool:
    if conv.kind != "conv2d" or conv.inputs[0] is not pad.output or pad.output in conv.inputs[1:]:
        return False
    if conv.options["same"]:  # of the image with the border
        return False
    before, after = pad.options["before"], pad.options["after"]
    if len(before) != 3 or before[0] or after[0] or min(*before, *after) < 0:
        return False
    if pad.options["border"] == "constant":
        return not pad.options["value"] and conv.options["border"] == "zeros"
    return not any(conv.options["padding"])


def _give(pad: Node, conv: Node) -> None:
    (_, top, left), (_, bottom, right) = pad.options["before"], pad.options["after"]
    sides = zip(conv.options["padding"], (top, bottom, left, right), strict=True)
    conv.options["padding"] = tuple(own + added for own, added in sides)
    if pad.options["border"] != "constant":
        conv.options["border"] = pad.options["border"]
    conv.inputs[0] = pad.inputs[0]
