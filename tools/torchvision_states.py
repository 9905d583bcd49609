"""Write tests/torchvision.txt: names inside of torchvision's networks, and what they compute.

For each network a line for each child: how many tensors and elements its state has, and the
beginning of the SHA-256 of all names and shapes in their order; and five of the scores that the
network gives in float64, in eval mode, with weights and an image by tests/formula_weights.py.

    python tools/torchvision_states.py             # with torch 2.13.0; fetches torchvision with pip
    python tools/torchvision_states.py torchvision-0.29.1-cp311-….whl              # or is given it

torchvision's compiled part, which fits one version of torch only, is not used; two operators of it,
for detection, are declared in its place, since torchvision names them when it is imported.
"""

import argparse
import hashlib
import io
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from pinned import fetch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import formula_weights  # noqa: E402

REQUIREMENT = "torchvision==0.29.1"
SHA256 = "2cb678029a5dd45afbbfa662fce49736827d52be33242b5a8a731e0db02ccdf5"  # for CPython 3.11
OUTPUT = ROOT / "tests/torchvision.txt"
NETWORKS = (
    *("alexnet", "vgg11", "vgg13", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1", "mobilenet_v2"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
)
SIZES = {"inception_v3": (107, 90)}
SIZE = (97, 80)  # neither square nor even: windows that hang over the end do so
SCORES = (0, 250, 500, 750, 999)


def lines_of(name: str, model: torch.nn.Module) -> list[str]:
    """The children's states, then the scores."""
    lines = []
    for child, part in model.named_children():
        state = part.state_dict()
        if state:
            text = "".join(f"{key} {tuple(value.shape)}\n" for key, value in state.items())
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            elements = sum(value.numel() for value in state.values())
            lines.append(f"{name} {child} {len(state)} {elements} {digest}")
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    model.double().eval()
    state = formula_weights.state(shapes)
    model.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
    size = SIZES.get(name, SIZE)
    image = torch.from_numpy(formula_weights.images((1, 3, *size)))
    with torch.no_grad():
        scores = model(image)[0]
    shown = " ".join(f"{scores[i].item():.12g}" for i in SCORES)
    return [*lines, f"{name} scores {size[0]}x{size[1]} {shown}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", nargs="?", type=Path, help=f"the wheel of {REQUIREMENT}")
    arguments = parser.parse_args()
    if arguments.wheel:
        wheel = arguments.wheel.read_bytes()
    else:
        wheel = fetch(REQUIREMENT, SHA256, source=False)
    if hashlib.sha256(wheel).hexdigest() != SHA256:
        raise SystemExit(f"the wheel is not that of {REQUIREMENT} for CPython 3.11 on x86-64")
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            archive.extractall(folder)
        sys.path.insert(0, folder)
        # Held on to: the operators are there as long as it is.
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from torchvision import models

        lines = [f"# {REQUIREMENT}, torch {torch.__version__}; by tools/torchvision_states.py"]
        for name in NETWORKS:
            how = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
            lines += lines_of(name, getattr(models, name)(weights=None, **how))
            print(name)
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
