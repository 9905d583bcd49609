"""What a network returns: tuples, lists and dicts with the number of an output for each Tensor."""

from typing import Any


def rebuild(structure: Any, outputs: list) -> Any:
    """A traced result's structure with the outputs in it."""
    if isinstance(structure, int):
        return outputs[structure]
    if isinstance(structure, dict):
        return {name: rebuild(part, outputs) for name, part in structure.items()}
    if structure is None:
        return None
    parts = [rebuild(part, outputs) for part in structure]
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*parts)
    return type(structure)(parts)
