"""Style transfer: a photograph drawn anew in the manner of another, by the gradient to its pixels.

    content    J_C = ‖a(G) - a(C)‖² / ‖a(C)‖²: what a deep layer makes of the picture G shall be
               what it makes of the photograph C
    style      J_S = Σ over layers ‖Gram(G) - Gram(S)‖² / ‖Gram(S)‖², Gram = 1/(HW) Σ over pixels
               of a aᵀ: which maps answer together, wherever that is
    G          starts as C; each step moves its pixels, not the weights, against the gradient of
               α J_C + β J_S

Source: L. Gatys, A. Ecker, M. Bethge, "Image style transfer using convolutional neural networks",
CVPR 2016. The network here is SqueezeNet.
"""

from typing import Any

import course
import numpy as np
import photographs

from fastconv import Tensor, models, nn, optim
from fastconv.data import images
from fastconv.models.squeezenet import INPUT_SIZE
from fastconv.pictures import panels

CONTENT = "fire5"
STYLE = ("relu1", "fire2", "fire3", "fire5", "fire7")
ALPHA, BETA = 1.0, 100.0
SMOOTH = 1e-3  # weight of the differences between neighbouring pixels


def activations(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What the layers that are looked at make of x."""
    found = {}
    for name, layer in network.named_children():
        x = found[name] = layer(x)
        if name == STYLE[-1]:  # the last of all
            break
    return {name: found[name] for name in {CONTENT, *STYLE}}


def gram(output: Tensor) -> Tensor:
    """(1, C, H, W) → (C, C): the mean over pixels of each pair of maps' product."""
    flat = output.reshape(output.shape[1], -1)
    return flat @ flat.T / flat.shape[1]


def costs(
    drawn: dict[str, Tensor], content: Tensor, style: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """(J_C, J_S), each relative to the size of what is to be matched."""
    by_content = ((drawn[CONTENT] - content) ** 2).mean() / (content**2).mean()
    by_style = [
        ((gram(drawn[layer]) - wanted) ** 2).sum() / (wanted**2).sum()
        for layer, wanted in style.items()
    ]
    return by_content, sum(by_style[1:], by_style[0])


def roughness(x: Tensor) -> Tensor:
    """The mean squared difference of neighbouring pixels."""
    across = x[:, :, :, 1:] - x[:, :, :, :-1]
    along = x[:, :, 1:] - x[:, :, :-1]
    return (across**2).mean() + (along**2).mean()


def photograph_of(x: np.ndarray) -> np.ndarray:
    """preprocess_caffe undone: (H, W, 3) uint8."""
    mean = models.preprocess_caffe(np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.uint8))
    rgb = (x - mean)[0, ::-1].transpose(1, 2, 0)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def main(lesson: course.Lesson) -> dict[str, Any]:
    """The cat in the style of a stained tissue: both costs while it is drawn, and the picture."""
    size, steps = INPUT_SIZE, 10 if lesson.quick else 200
    photo = images.resize(images.read(images.SAMPLE), size, size)
    model = photographs.photograph("tissue")[:300, :300]
    manner = images.resize(np.ascontiguousarray(model), size, size)
    network = models.SqueezeNet(form="caffe").eval().requires_grad_(False)
    network.load_state_dict(models.load_squeezenet1_1())
    content = activations(network, Tensor(models.preprocess_caffe(photo)))[CONTENT]
    of_manner = activations(network, Tensor(models.preprocess_caffe(manner)))
    style = {layer: gram(of_manner[layer]) for layer in STYLE}

    x = Tensor(models.preprocess_caffe(photo), requires_grad=True)
    optimizer = optim.Adam([x], lr=3.0)
    course_of = []
    for _ in range(steps):
        by_content, by_style = costs(activations(network, x), content, style)
        cost = ALPHA * by_content + BETA * by_style + SMOOTH * roughness(x)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        course_of.append((by_content.item(), by_style.item()))
    first, last = course_of[0], course_of[-1]
    rows = [
        ("the photograph", f"{first[0]:.3f}", f"{first[1]:.3f}"),
        (f"after {steps} steps", f"{last[0]:.3f}", f"{last[1]:.3f}"),
    ]
    lesson.table("costs", ("", "content", "style"), rows, within=np.inf)
    row = [
        panels.Picture(photo, "content"),
        panels.Picture(manner, "style"),
        panels.Picture(photograph_of(x.numpy()), "drawn"),
    ]
    lesson.picture("drawn", panels.draw([row], "A cat in the manner of a stained tissue"))
    return {"costs": course_of, "drawn": photograph_of(x.numpy()), "photo": photo}


if __name__ == "__main__":
    course.run(__file__, main)
