"""Print the polynomials of vec_gelu in csrc/simd/vec_math.h (needs mpmath).

    python tools/fit_gelu.py

The normal distribution's tail is F(-y) = R(y) exp(-y*y/2) for y >= 0, where R falls from 1/2 like
1/y (Mills' ratio). s = (y - c)/(y + c) brings y into [-1, 1), and g(s) = R(y) (y + c) into narrow
bounds: a Chebyshev interpolation of g, written in powers of s, has a small relative error in R.
"""

from mpmath import binomial, cos, erfc, exp, mp, mpf, pi, sqrt

TYPES = {"float32": (4, 14.5, 9, 24), "float64": (5, 39, 20, 53)}  # c, largest y, degree, bits


def polynomial(c, most, degree):
    """Coefficients of s**0, s**1, ..."""
    low, high = mpf(-1), (mpf(most) - c) / (mpf(most) + c)
    middle, half, count = (low + high) / 2, (high - low) / 2, 4 * degree
    points = [cos(pi * (k + mpf(1) / 2) / count) for k in range(count)]

    def g(x):
        s = middle + half * x
        y = c * (1 + s) / (1 - s)
        return erfc(y / sqrt(2)) / 2 * exp(y * y / 2) * (y + c)

    values = [g(x) for x in points]
    in_x = [mpf(0)] * (degree + 1)
    before, now = [mpf(0)], [mpf(1)]  # Chebyshev polynomials, by powers of x
    for j in range(degree + 1):
        weights = [cos(j * pi * (k + mpf(1) / 2) / count) for k in range(count)]
        weight = sum(map(mp.fmul, values, weights)) * (1 if j == 0 else 2) / count
        for power, factor in enumerate(now):
            in_x[power] += weight * factor
        twice = [mpf(0), *((1 if j == 0 else 2) * factor for factor in now)]
        before += [mpf(0)] * (len(twice) - len(before))
        before, now = now, [a - (0 if j == 0 else b) for a, b in zip(twice, before, strict=True)]
    in_s = [mpf(0)] * (degree + 1)
    for power, factor in enumerate(in_x):
        for k in range(power + 1):
            in_s[k] += factor * binomial(power, k) * (-middle) ** (power - k) / half**power
    return in_s


def main():
    """Highest power first, in hexadecimal."""
    mp.dps = 50
    for name, (c, most, degree, bits) in TYPES.items():
        mp.prec = 170
        found = polynomial(mpf(c), most, degree)
        mp.prec = bits
        print(f"{name}: c = {c}, y <= {most}")
        print(", ".join(float(+factor).hex() for factor in reversed(found)))


if __name__ == "__main__":
    main()
