"""What a trained network sees: its first kernels, its maps, and what in a photograph decides.

    kernels     SqueezeNet's first layer learned edges of all directions, and pairs of colours
    maps        what single kernels, deeper and deeper, find on the photograph
    saliency    |d score / d pixel|: a small change of which pixel would change the answer most
    occlusion   a grey square laid over the photograph, here and there: how likely it still is a cat

Sources: M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014;
K. Simonyan, A. Vedaldi, A. Zisserman, "Deep inside convolutional networks", arXiv:1312.6034.
"""

from typing import Any

import course
import numpy as np

from fastconv import Tensor, models, nn
from fastconv import functional as F
from fastconv.data import images, transforms
from fastconv.models.squeezenet import INPUT_SIZE
from fastconv.pictures import panels, tiles

LAYERS = ("relu1", "fire3", "fire5", "fire9")
CATS = range(281, 286)  # tabby, tiger cat, Persian, Siamese, Egyptian cat
SQUARE = 61  # pixels of the grey square


def outputs_of(network: nn.Module, x: Any) -> dict[str, Tensor]:
    """What each layer makes of a photograph."""
    found = {}
    for name, layer in network.named_children():
        x = found[name] = layer(x)
    return found


def saliency(network: nn.Module, x: np.ndarray, wanted: int) -> np.ndarray:
    """|d score of the class / d pixel|, the largest of the three colours: (H, W).

    The score is the one before softmax: probabilities also change with those of other classes.
    """
    photograph = Tensor(x, requires_grad=True)
    network(photograph)[0, wanted].backward()
    return np.abs(photograph.grad.numpy())[0].max(axis=0)


def occlusion(params: dict[str, np.ndarray], x: np.ndarray, steps: int) -> np.ndarray:
    """Probability of any cat with a square of the mean colour (0) over each of steps × steps
    places: (steps, steps).
    """
    result = np.empty((steps, steps))
    places = np.linspace(0, x.shape[2] - SQUARE, steps).round().astype(int)
    for row, top in enumerate(places):
        hidden = np.repeat(x, steps, axis=0)
        for one, left in zip(hidden, places, strict=True):
            one[:, top : top + SQUARE, left : left + SQUARE] = 0
        result[row] = models.squeezenet1_1_caffe(params, hidden)[:, CATS].sum(axis=1)
    return result


def strongest(output: np.ndarray, count: int) -> list[int]:
    """The maps of (1, C, H, W) that vary most over the photograph."""
    return np.argsort(-output[0].std(axis=(1, 2)), kind="stable")[:count].tolist()


def main(lesson: course.Lesson) -> dict[str, np.ndarray]:
    """Four pictures of the cat photograph, and where it matters most."""
    rgb = images.resize(images.read(images.SAMPLE), INPUT_SIZE, INPUT_SIZE)
    params = models.load_squeezenet1_1()
    network = models.SqueezeNet(form="caffe").eval().requires_grad_(False)
    network.load_state_dict(params)
    x = models.preprocess_caffe(rgb)
    outputs = outputs_of(network, Tensor(x))
    probabilities = F.softmax(outputs["flatten"].numpy(), 1)[0]
    best = int(probabilities.argmax())

    gradient = saliency(network, x, best)
    smooth = transforms.GaussianBlur(4)(gradient[None, None])[0, 0]
    without = occlusion(params, x, 8 if lesson.quick else 15)
    likely = probabilities[CATS].sum()
    lesson.say(f"{models.imagenet_classes()[best]}: {100 * probabilities[best]:.1f} %")
    rows = [
        ("the whole photograph", f"{100 * likely:.1f} %"),
        ("with the square where it matters most", f"{100 * without.min():.1f} %"),
        ("with the square where it matters least", f"{100 * without.max():.1f} %"),
    ]
    lesson.table("occlusion", ("a cat's probability", ""), rows, within=0.02)

    # Blue, green, red, as Caffe has them: red first for the eye.
    kernels = params["conv1.weight"][:, ::-1]
    lesson.picture("kernels", tiles.kernels(kernels, "The 64 kernels of SqueezeNet's first layer"))
    lesson.picture("maps", maps({layer: outputs[layer].numpy() for layer in LAYERS}))
    lesson.picture("decides", decides(rgb, gradient, smooth, without))
    return {"saliency": smooth, "occlusion": without, "probabilities": probabilities}


def maps(outputs: dict[str, np.ndarray]) -> Any:
    """Of each layer the maps that vary most, white where they answer."""
    rows = []
    for layer in LAYERS:
        rows.append([])
        for channel in strongest(outputs[layer], 6):
            values = outputs[layer][0, channel]
            shown = panels.grey(values, 0, float(np.quantile(values, 0.995)))
            caption = f"{layer}, map {channel + 1}"
            rows[-1].append(panels.Picture(shown, caption, scale=114 / len(values)))
    return panels.draw(rows, "Maps that vary most over the cat, from the first layers to the last")


def decides(rgb: np.ndarray, gradient: np.ndarray, smooth: np.ndarray, without: np.ndarray) -> Any:
    """The photograph, its saliency, and the occlusion map at the photograph's size."""
    side = len(rgb)
    size = without.shape[0]
    large = F.interpolate(without[None, None], (side, side), mode="bilinear", align_corners=True)
    row = [
        panels.Picture(rgb, "the photograph"),
        panels.Picture(panels.grey(gradient, 0, np.quantile(gradient, 0.99)), "saliency"),
        panels.Picture(panels.grey(smooth, 0, smooth.max()), "the same, smoothed"),
        panels.Picture(panels.grey(large[0, 0]), f"occlusion, {size} × {size} places",
                       "dark: no cat without it"),
    ]  # fmt: skip
    return panels.draw([row], "What decides that it is a cat")


if __name__ == "__main__":
    course.run(__file__, main)
