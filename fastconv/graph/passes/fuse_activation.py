"""An activation becomes the end of the operation before it."""

from fastconv import _core
from fastconv.graph.ir import FUSIBLE, Graph


def fuse_activation(graph: Graph) -> None:
    """Where nobody else takes what it is applied to, and the engine can do both at once."""
    users = graph.users()
    kept = []
    for node in graph.nodes:
        maker = node.inputs[0].node
        if (
            node.kind == "activation"
            and node.options["name"] in _core.ACTIVATION_CODES
            and maker is not None
            and maker.kind in FUSIBLE
            and maker.options["activation"] is None
            and len(users[maker.output]) == 1
            and maker.output not in graph.outputs
        ):
            maker.options = maker.options | {"activation": node.options["name"]}
            users[maker.output] = users[node.output]
            graph.replace(node.output, maker.output)
        else:
            kept.append(node)
    graph.nodes = kept
