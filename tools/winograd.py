"""The matrices of Winograd's minimal filtering, derived exactly, and the C that applies them.

    python tools/winograd.py                 # writes csrc/ukr/winograd_transforms.h
    python tools/winograd.py --check         # complains if that file is not what would be written
    python tools/winograd.py --errors        # the error of each set of points, which chose them

F(m, r) computes m outputs of a correlation with r taps by n = m + r - 1 products, not m * r:

    y = At [(G g) * (Bt d)]         g: r taps, d: n inputs, y: m outputs

It is Toom and Cook's interpolation of a product of polynomials, transposed (S. Winograd,
"Arithmetic Complexity of Computations", 1980; A. Lavin, S. Gray, "Fast Algorithms for Convolutional
Neural Networks", arXiv:1509.09308). With n - 1 points a_j and infinity:

    At[i][j] = a_j^i            and 1 for i = m - 1 at infinity
    G[j][k]  = a_j^k / N_j      and 1 for k = r - 1;  N_j = product over l != j of a_j - a_l
    Bt[j][.] = coefficients of the product over l != j of (x - a_l); at infinity, over all l

The points are 0 and pairs +-p, so each pair of rows is an even part plus and minus p times an odd
part, which halves the work. Points may contain the square root of two: F(4) with +-sqrt(1/2),
+-sqrt(2) has half the error of +-1, +-2. All is computed in the field of a + b*sqrt(2) with
fractions a and b, and every matrix is proved before it is written: the identity above holds for all
products d_i * g_k.

The gradient by the taps is the transpose of that, of which Gt and A are new:

    dg = Gt [(A dy) * (Bt d)]       dy: the gradient by y, m of them

A tile at the edge of a result, of which fewer outputs are wanted, makes do with fewer points: 0,
the first pairs and infinity, `used` of the n. Its weights are those of the full tile, so row j of
its Bt carries the factor that they lack: the product over the points l left out of a_j - a_l.
"""

import argparse
import dataclasses
import itertools
import math
import pathlib
import sys
from fractions import Fraction

HEADER = pathlib.Path(__file__).parents[1] / "csrc" / "ukr" / "winograd_transforms.h"


@dataclasses.dataclass(frozen=True)
class Root2:
    """a + b * sqrt(2), exactly."""

    a: Fraction = Fraction(0)
    b: Fraction = Fraction(0)

    def __add__(self, other: "Root2") -> "Root2":
        return Root2(self.a + other.a, self.b + other.b)

    def __sub__(self, other: "Root2") -> "Root2":
        return Root2(self.a - other.a, self.b - other.b)

    def __neg__(self) -> "Root2":
        return Root2(-self.a, -self.b)

    def __mul__(self, other: "Root2") -> "Root2":
        return Root2(self.a * other.a + 2 * self.b * other.b, self.a * other.b + self.b * other.a)

    def __truediv__(self, other: "Root2") -> "Root2":
        norm = other.a**2 - 2 * other.b**2  # not zero: sqrt(2) is no fraction
        return self * Root2(other.a / norm, -other.b / norm)

    def __pow__(self, exponent: int) -> "Root2":
        return math.prod([self] * exponent, start=ONE)

    def __float__(self) -> float:
        return float(self.a) + float(self.b) * math.sqrt(2)


def rational(numerator: int, denominator: int = 1) -> Root2:
    return Root2(Fraction(numerator, denominator))


ZERO, ONE, SQRT2 = rational(0), rational(1), Root2(b=Fraction(1))
HALF_SQRT2 = Root2(b=Fraction(1, 2))

# The positive point of each pair, by the number of products; `--errors` compares them with others.
PAIRS = {
    4: [ONE],
    6: [HALF_SQRT2, SQRT2],
    8: [ONE, rational(1, 2), rational(2)],
}
DATA = [(4, 4), (6, 6), (6, 4), (8, 8), (8, 6), (8, 4)]  # n, used
# m, n, used: m = used + 1 - r
OUTPUTS = [
    *[(2, 4, 4), (4, 6, 6), (2, 6, 4), (6, 8, 8), (4, 8, 6), (2, 8, 4)],  # r = 3
    *[(2, 6, 6), (4, 8, 8), (2, 8, 6)],  # r = 5
]
TAPS = [(3, 4), (3, 6), (3, 8), (5, 6), (5, 8)]  # r, n
GRADIENTS = [(4, 3), (4, 5)]  # m, r

Matrix = list[list[Root2]]
Polynomial = list[Root2]  # the constant first


def product(factors: list[Polynomial]) -> Polynomial:
    result = [ONE]
    for factor in factors:
        longer = [ZERO] * (len(result) + len(factor) - 1)
        for (i, x), (j, y) in itertools.product(enumerate(result), enumerate(factor)):
            longer[i + j] += x * y
        result = longer
    return result


def points(pairs: list[Root2]) -> list[Root2]:
    return [ZERO, *itertools.chain.from_iterable((p, -p) for p in pairs)]


def matrices(m: int, r: int, pairs: list[Root2]) -> tuple[Matrix, Matrix, Matrix]:
    """At (m, n), G (n, r) and Bt (n, n), proved."""
    at = points(pairs)
    n = len(at) + 1
    assert n == m + r - 1
    others = [[q for q in at if q != p] for p in at]
    norms = [
        math.prod((p - q for q in rest), start=ONE) for p, rest in zip(at, others, strict=True)
    ]
    output = [[p**i for p in at] + [ONE if i == m - 1 else ZERO] for i in range(m)]
    taps = [[p**k / norm for k in range(r)] for p, norm in zip(at, norms, strict=True)]
    taps.append([ZERO] * (r - 1) + [ONE])
    data = [product([[-q, ONE] for q in rest]) + [ZERO] for rest in others]
    data.append(product([[-q, ONE] for q in at]))
    prove(output, taps, data)
    return output, taps, data


def edge_matrices(n: int, used: int, r: int) -> tuple[Matrix, Matrix, Matrix]:
    """At, G and Bt of a tile that keeps `used` of n points, for weights of the full one, proved."""
    pairs = PAIRS[n]
    _, all_taps, _ = matrices(n + 1 - r, r, pairs)
    kept = pairs[: used // 2 - 1]
    output, _, data = matrices(used + 1 - r, r, kept)
    left_out = points(pairs)[used - 1 :]
    for row, p in zip(data[:-1], points(kept), strict=True):
        factor = math.prod((p - q for q in left_out), start=ONE)
        row[:] = [factor * x for x in row]
    taps = [*all_taps[: used - 1], all_taps[-1]]
    prove(output, taps, data)
    return output, taps, data


def prove(output: Matrix, taps: Matrix, data: Matrix) -> None:
    """y[i] = sum over k of d[i + k] * g[k], for each d and g that are one at one place."""
    for i, k, at in itertools.product(range(len(output)), range(len(taps[0])), range(len(data))):
        terms = (output[i][j] * taps[j][k] * data[j][at] for j in range(len(data)))
        assert sum(terms, start=ZERO) == (ONE if at == i + k else ZERO), (i, k, at)


# ---- C ------------------------------------------------------------------------------------------


def sum_of(terms: list[tuple[Root2, str]]) -> str:
    """A C expression: terms with factor 1 or -1 are added first, each other one is fused."""
    terms = [(factor, name) for factor, name in terms if factor != ZERO]
    plain = [name for factor, name in terms if factor == ONE]
    less = [name for factor, name in terms if factor == -ONE and plain]
    scaled = [term for term in terms if term[1] not in (*plain, *less)]
    if plain:
        expression = plain[0]
        for name in plain[1:]:
            expression = f"vec_add({expression}, {name})"
    else:
        factor, name = scaled.pop(0)
        expression = f"vec_mul({constant(factor)}, {name})"
    for name in less:
        expression = f"vec_sub({expression}, {name})"
    for factor, name in scaled:
        expression = f"vec_fma({constant(factor)}, {name}, {expression})"
    return expression


def constant(value: Root2) -> str:
    return f"vec_set1((real){float(value)!r})"


def function(name: str, taken: int, given: int, lines: list[str]) -> str:
    body = "\n".join(f"    {line}" for line in lines)
    return f"FC_INLINE void {name}(const vec x[{taken}], vec y[{given}]) {{\n{body}\n}}\n"


def pair_lines(name: str, index: int, even: str, odd: str, p: Root2) -> list[str]:
    """Rows +p and -p of a transform: their even part plus and minus p times the odd one."""
    return [
        f"const vec {name}_even = {even};",
        f"const vec {name}_odd = {odd};",
        f"y[{index}] = {sum_of([(ONE, f'{name}_even'), (p, f'{name}_odd')])};",
        f"y[{index + 1}] = {sum_of([(ONE, f'{name}_even'), (-p, f'{name}_odd')])}"
        if p != ONE
        else f"y[{index + 1}] = vec_sub({name}_even, {name}_odd)",
    ]


def data_function(n: int, used: int) -> str:
    pairs = PAIRS[n][: used // 2 - 1]
    *_, data = edge_matrices(n, used, 3)
    row = lambda j: [(data[j][i], f"x[{i}]") for i in reversed(range(used))]  # noqa: E731
    lines = [f"y[0] = {sum_of(row(0))};"]
    for k, p in enumerate(pairs):
        j = 1 + 2 * k
        even = [(factor, x) for factor, x in row(j)[1::2]]
        odd = [(factor / p, x) for factor, x in row(j)[0::2]]
        lines += finished(pair_lines(f"p{k}", j, sum_of(even), sum_of(odd), p))
    lines.append(f"y[{used - 1}] = {sum_of(row(used - 1))};")
    return function(f"winograd_data_{n}_{used}", used, used, lines)


def taps_function(r: int, n: int) -> str:
    pairs = PAIRS[n]
    _, taps, _ = matrices(n + 1 - r, r, pairs)
    lines = [f"y[0] = {sum_of([(taps[0][0], 'x[0]')])};"]
    for k in range(len(pairs)):
        j = 1 + 2 * k
        even = [(taps[j][i], f"x[{i}]") for i in range(0, r, 2)]
        odd = [(taps[j][i], f"x[{i}]") for i in range(1, r, 2)]
        lines += finished(pair_lines(f"p{k}", j, sum_of(even), sum_of(odd), ONE))
    return function(f"winograd_taps_{r}_{n}", r, n, [*lines, f"y[{n - 1}] = x[{r - 1}];"])


def output_function(m: int, n: int, used: int) -> str:
    pairs = PAIRS[n][: used // 2 - 1]
    edge_matrices(n, used, used + 1 - m)
    lines = []
    for k in range(len(pairs)):
        j = 1 + 2 * k
        lines.append(f"const vec p{k}_even = vec_add(x[{j}], x[{j + 1}]);")
        lines.append(f"const vec p{k}_odd = vec_sub(x[{j}], x[{j + 1}]);")
    for i in range(m):
        part = "odd" if i % 2 else "even"
        terms = [(ONE, "x[0]")] if i == 0 else []
        terms += [(p**i, f"p{k}_{part}") for k, p in enumerate(pairs)]
        terms += [(ONE, f"x[{used - 1}]")] if i == m - 1 else []
        lines.append(f"y[{i}] = {sum_of(terms)};")
    return function(f"winograd_output_{m}_{n}_{used}", used, m, lines)


def diff_function(m: int, n: int) -> str:
    """A: what the outputs' gradients are to the products."""
    lines = ["y[0] = x[0];"]
    for k, p in enumerate(PAIRS[n]):
        even = [(p**i, f"x[{i}]") for i in range(0, m, 2)]
        odd = [(p ** (i - 1), f"x[{i}]") for i in range(1, m, 2)]
        lines += finished(pair_lines(f"p{k}", 1 + 2 * k, sum_of(even), sum_of(odd), p))
    return function(f"winograd_diff_{m}_{n}", m, n, [*lines, f"y[{n - 1}] = x[{m - 1}];"])


def sums_function(r: int, n: int) -> str:
    """Gt: from sums of products to the gradients of the taps."""
    _, taps, _ = matrices(n + 1 - r, r, PAIRS[n])
    lines = []
    for k in range(len(PAIRS[n])):
        j = 1 + 2 * k
        lines.append(f"const vec p{k}_even = vec_add(x[{j}], x[{j + 1}]);")
        lines.append(f"const vec p{k}_odd = vec_sub(x[{j}], x[{j + 1}]);")
    for i in range(r):
        part = "odd" if i % 2 else "even"
        terms = [(taps[0][i], "x[0]")]
        terms += [(taps[1 + 2 * k][i], f"p{k}_{part}") for k in range(len(PAIRS[n]))]
        terms += [(ONE, f"x[{n - 1}]")] if i == r - 1 else []
        lines.append(f"y[{i}] = {sum_of(terms)};")
    return function(f"winograd_sums_{n}_{r}", n, r, lines)


def finished(lines: list[str]) -> list[str]:
    return [line if line.endswith(";") else line + ";" for line in lines]


def header() -> str:
    parts = [
        """\
/* winograd_transforms.h: the one-dimensional transforms of F(m, r), n = m + r - 1 products,
 * and of tiles with fewer outputs, which keep the first of these and the last: winograd_data_n_used
 * and winograd_output_m_n_used; of the gradient by the taps, winograd_diff_m_n, winograd_sums_n_r.
 * Written by tools/winograd.py, which derives and proves them. */""",
        *(data_function(n, used) for n, used in DATA),
        *(taps_function(r, n) for r, n in TAPS),
        *(output_function(m, n, used) for m, n, used in OUTPUTS),
        *(diff_function(m, m + r - 1) for m, r in GRADIENTS),
        *(sums_function(r, m + r - 1) for m, r in GRADIENTS),
    ]
    return "\n".join(parts)


# ---- errors -------------------------------------------------------------------------------------


def error(m: int, r: int, pairs: list[Root2], channels: int = 256, tiles: int = 200) -> float:
    """Relative L2 error of float32 against float64, two dimensions, Gaussian data."""
    import numpy as np

    real = np.random.default_rng(1)
    output, taps, data = (
        np.array([[float(x) for x in row] for row in matrix]) for matrix in matrices(m, r, pairs)
    )
    n = m + r - 1
    d = real.standard_normal((tiles, channels, n, n)).astype(np.float32)
    g = real.standard_normal((channels, r, r)).astype(np.float32)
    exact = np.zeros((tiles, m, m))
    for i, k in itertools.product(range(r), repeat=2):
        exact += np.einsum("tcyx,c->tyx", d[:, :, i : i + m, k : k + m].astype(float), g[:, i, k])
    u = (taps @ g @ taps.T).astype(np.float32)
    single = data.astype(np.float32)
    v = single @ (d @ single.T)
    products = np.zeros((tiles, n, n), np.float32)
    for c in range(channels):
        products += v[:, c] * u[c]
    single = output.astype(np.float32)
    y = single @ (products @ single.T)
    return float(np.linalg.norm(y - exact) / np.linalg.norm(exact))


def print_errors() -> None:
    candidates = [
        ONE,
        rational(1, 2),
        rational(2),
        HALF_SQRT2,
        SQRT2,
        rational(3, 2),
        rational(2, 3),
        rational(3, 4),
        rational(4, 3),
        rational(3, 5),
        rational(5, 3),
        rational(1, 3),
    ]
    for m, r in [(2, 3), (4, 3), (6, 3), (2, 5), (4, 5)]:
        pairs = (m + r - 3) // 2
        found = [
            (error(m, r, list(chosen)), [float(p) for p in chosen])
            for chosen in itertools.combinations(candidates, pairs)
        ]
        chosen = [float(p) for p in PAIRS[m + r - 1]]
        print(f"F({m}, {r}): ours {chosen}: {error(m, r, PAIRS[m + r - 1]):.2e}; the best:")
        for value, at in sorted(found)[:4]:
            print(f"    {value:.2e}  0, inf, +- {at}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--errors", action="store_true")
    arguments = parser.parse_args()
    if arguments.errors:
        print_errors()
        return 0
    text = header()
    if arguments.check:
        same = HEADER.read_text() == text
        if not same:
            print(f"{HEADER} is not what tools/winograd.py writes", file=sys.stderr)
        return 0 if same else 1
    HEADER.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
