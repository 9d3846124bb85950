"""Scaling laws: shapes of a curve against scale, each with its parameters, bounds, starts and gradient.

Not for fitting (see `fitting`) and not for judging which law holds. A new law is a value, a gradient and a
way to guess starts. Parameters that must be positive and span decades are log10; heights are read at a
reference scale amid the data, since at x = 1 they would be far outside it and tied to the exponent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unmirage.errors import SettingsError

Floats = NDArray[np.float64]
Function = Callable[[Floats, Floats], Floats]

# From 10% to 90% a standard logistic takes this many units.
_RISE = 2 * np.log(9.0)


@dataclass(frozen=True)
class Law:
    """A curve y = value(x, parameters).

    Attributes
    ----------
    name: what it is called in results.
    names: (P,) names of the parameters, in order.
    lower, upper: (P,) bounds, infinite where there is none.
    value: x (n,) and parameters (..., P) to y (..., n).
    gradient: x (n,) and parameters (..., P) to dy/dparameter (..., n, P).
    start: x (n,) and y (n,) to K guesses (K, P); they need not lie within the bounds.
    positive: whether x must be above 0, since the law takes its logarithm.
    """

    name: str
    names: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    value: Function
    gradient: Function
    start: Function
    positive: bool = True

    def index(self, name: str) -> int:
        """Where a parameter stands; SettingsError where the law has none of that name."""
        if name not in self.names:
            raise SettingsError(
                f"the law {self.name} has no parameter {name!r}", hint=f"It has {', '.join(self.names)}."
            )
        return self.names.index(name)

    def fix(self, **values: float) -> Law:
        """The law with some parameters held at a value; they are parameters no more.

        Raises SettingsError on an unknown name, and where none would be left.
        """
        held = {self.index(name): value for name, value in values.items()}
        free = [j for j in range(len(self.names)) if j not in held]
        if not free:
            raise SettingsError(f"no parameter of the law {self.name} would be left", where="fix")
        template = np.array([held.get(j, 0.0) for j in range(len(self.names))])

        def whole(parameters: Floats) -> Floats:
            full = np.broadcast_to(template, (*parameters.shape[:-1], len(template))).copy()
            full[..., free] = parameters
            return full

        return replace(
            self,
            names=tuple(self.names[j] for j in free),
            lower=tuple(self.lower[j] for j in free),
            upper=tuple(self.upper[j] for j in free),
            value=lambda x, parameters: self.value(x, whole(parameters)),
            gradient=lambda x, parameters: self.gradient(x, whole(parameters))[..., free],
            start=lambda x, y: self.start(x, y)[:, free],
        )

    def within(self, **limits: tuple[float, float]) -> Law:
        """The law with other bounds (low, high) for some parameters.

        Raises SettingsError on an unknown name, and unless low < high.
        """
        lower, upper = list(self.lower), list(self.upper)
        for name, (low, high) in limits.items():
            if not low < high:
                raise SettingsError(f"{low} to {high} is no range", where=name)
            lower[self.index(name)], upper[self.index(name)] = low, high
        return replace(self, lower=tuple(lower), upper=tuple(upper))


def geometric_mean(x: ArrayLike) -> float:
    """exp(mean log x): the usual reference scale. Raises SettingsError unless every x is above 0, finite."""
    scales = np.asarray(x, dtype=np.float64)
    if scales.size == 0 or not ((scales > 0) & np.isfinite(scales)).all():
        raise SettingsError("scales must be above 0 and finite", where="x")
    return float(np.exp(np.log(scales).mean()))


def log_of(law: Law) -> Law:
    """The law for log y of a law for y above 0: scatter in log y is scatter in shares of y."""
    least = np.finfo(float).tiny

    def floored(x: Floats, p: Floats) -> Floats:
        return np.maximum(law.value(x, p), least)

    def gradient(x: Floats, p: Floats) -> Floats:
        # Where the floor holds the log, no parameter moves it.
        y = floored(x, p)[..., None]
        return np.where(y > least, law.gradient(x, p), 0.0) / y

    return replace(
        law,
        name=f"log of {law.name}",
        value=lambda x, p: np.log(floored(x, p)),
        gradient=gradient,
        start=lambda x, y: law.start(x, np.exp(y)),
    )


def power_law(reference: float = 1.0) -> Law:
    """y = offset + amplitude · (x/reference)^(-exponent), all three at least 0: a loss against scale.

    In the form E + A x^(-alpha), A = amplitude · reference^exponent. `fix(offset=0.0)` is the plain law.
    """

    def shape(x: Floats, exponent: Floats) -> Floats:
        return np.asarray(np.exp(-exponent[..., None] * np.log(x / reference)))

    def value(x: Floats, p: Floats) -> Floats:
        return p[..., 0:1] + p[..., 1:2] * shape(x, p[..., 2])

    def gradient(x: Floats, p: Floats) -> Floats:
        s = shape(x, p[..., 2])
        return np.stack([np.ones_like(s), s, -p[..., 1:2] * s * np.log(x / reference)], axis=-1)

    def start(x: Floats, y: Floats) -> Floats:
        exponent = np.array([0.03, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
        s = shape(x, exponent)
        free = _linear(np.stack([np.ones_like(s), s], axis=-1), y)
        none = _linear(s[..., None], y)
        return np.concatenate(
            [np.column_stack([free, exponent]), np.column_stack([np.zeros_like(none), none, exponent])]
        )

    return Law(
        "power law",
        ("offset", "amplitude", "exponent"),
        (0, 0, 0),
        (np.inf, np.inf, 10),
        value,
        gradient,
        start,
    )


def logistic() -> Law:
    """y = floor + (ceiling - floor) / (1 + exp(-2 ln 9 · (log10 x - midpoint) / 10^log10_width)).

    `floor` is the level at small x, `ceiling` that at large x, both in [0, 1] unless `within` says otherwise
    (a falling curve has the higher floor); `midpoint` in decades; 10^log10_width is the number of decades
    from 10% to 90% of the way, from .01 to 100.
    """

    def place(x: Floats, p: Floats) -> Floats:
        return np.asarray(_RISE * (np.log10(x) - p[..., 2:3]) / 10 ** p[..., 3:4])

    def value(x: Floats, p: Floats) -> Floats:
        return p[..., 0:1] + (p[..., 1:2] - p[..., 0:1]) * _expit(place(x, p))

    def gradient(x: Floats, p: Floats) -> Floats:
        z = place(x, p)
        s = _expit(z)
        slope = (p[..., 1:2] - p[..., 0:1]) * s * _expit(-z)
        return np.stack([_expit(-z), s, -slope * _RISE / 10 ** p[..., 3:4], -slope * z * np.log(10)], axis=-1)

    def start(x: Floats, y: Floats) -> Floats:
        t = np.log10(x)
        span = max(float(np.ptp(t)), 0.1)
        middles = t.min() + span * np.linspace(-0.25, 1.25, 13)
        widths = np.log10(span * np.array([0.1, 0.3, 0.8, 2.0]))
        pairs = np.array([(0.0, 0.0, m, w) for m in middles for w in widths])
        s = _expit(place(x, pairs))
        pairs[:, :2] = _linear(np.stack([1 - s, s], axis=-1), y)
        return pairs

    return Law(
        "logistic",
        ("floor", "ceiling", "midpoint", "log10_width"),
        (0, 0, -np.inf, -2),
        (1, 1, np.inf, 2),
        value,
        gradient,
        start,
    )


def exponential(reference: float = 0.0) -> Law:
    """y = level + slope · (1 - exp(-rate · (x - reference)))/rate, rate at least 0: a score against a loss x.

    `level` and `slope` are the height and the slope at the reference; rate 0 is the straight line, to which
    the form with an amplitude would tend only at infinity. Gadre et al. 2024 (arXiv 2403.08540) write error =
    eps - k exp(-gamma L): gamma = rate, eps = level + slope/rate, k = slope/rate · exp(rate · reference).
    """

    def shape(x: Floats, rate: Floats) -> tuple[Floats, Floats]:
        """(1 - exp(-rate u))/rate and its derivative in the rate; series where rate · u is small."""
        r, u = rate[..., None], x - reference
        z = np.maximum(r * u, -300.0)
        near = np.abs(z) < 1e-4
        safe = np.where(near, 1.0, r)
        height = np.where(near, u * (1 - z / 2 + z**2 / 6), -np.expm1(-z) / safe)
        bent = np.where(near, u**2 * (-0.5 + z / 3 - z**2 / 8), (u * np.exp(-z) - height) / safe)
        return height, bent

    def value(x: Floats, p: Floats) -> Floats:
        return p[..., 0:1] + p[..., 1:2] * shape(x, p[..., 2])[0]

    def gradient(x: Floats, p: Floats) -> Floats:
        height, bent = shape(x, p[..., 2])
        return np.stack([np.ones_like(height), height, p[..., 1:2] * bent], axis=-1)

    def start(x: Floats, y: Floats) -> Floats:
        rate = np.array([0.0, 0.3, 1.0, 3.0, 8.0, 20.0]) / max(float(np.ptp(x)), 1e-9)
        s = shape(x, rate)[0]
        return np.column_stack([_linear(np.stack([np.ones_like(s), s], axis=-1), y), rate])

    infinite = np.inf
    return Law(
        "exponential",
        ("level", "slope", "rate"),
        (-infinite, -infinite, 0),
        (infinite, infinite, infinite),
        value,
        gradient,
        start,
        positive=False,
    )


def broken_power_law(breaks: int, reference: float = 1.0) -> Law:
    """y = a + b x^(-c0) · prod_i (1 + (x/d_i)^(1/f_i))^(-c_i f_i): a power law with 0 to 2 smooth breaks.

    Caballero et al. 2022 (arXiv 2210.14891), Eq. 1. `limit` = a >= 0; `amplitude` >= 0 is y - a at the
    reference scale; `exponent` = c0; for break i from 1, `change_i` = c_i, `place_i` = log10 d_i and
    `log10_width_i` = log10 f_i (small is abrupt). Breaks stay within 8 decades of the reference and slopes
    finite: a break that runs away from the data is a tail that any place and change describe alike. Raises
    SettingsError for another number of breaks.
    """
    if breaks not in (0, 1, 2):
        raise SettingsError(f"{breaks} is not 0, 1 or 2", where="breaks")
    origin, middle = float(np.log(reference)), float(np.log10(reference))

    def bend(x: Floats, place: Floats, width: Floats) -> tuple[Floats, Floats, Floats]:
        """f softplus((ln x - ln d)/f) less its value at the reference; its slope in -ln d; that in ln f."""
        f, d = 10 ** width[..., None], place[..., None] * np.log(10)
        z, z0 = (np.log(x) - d) / f, (origin - d) / f
        soft, soft0 = np.logaddexp(0, z), np.logaddexp(0, z0)
        s, s0 = _expit(z), _expit(z0)
        return f * (soft - soft0), s - s0, f * (soft - soft0 - z * s + z0 * s0)

    def parts(x: Floats, p: Floats) -> tuple[Floats, list[tuple[Floats, Floats, Floats]]]:
        bends = [bend(x, p[..., 4 + 3 * i], p[..., 5 + 3 * i]) for i in range(breaks)]
        log_shape = -p[..., 2:3] * (np.log(x) - origin)
        for i, (height, _, _) in enumerate(bends):
            log_shape = log_shape - p[..., 3 + 3 * i : 4 + 3 * i] * height
        return np.exp(np.clip(log_shape, -300, 300)), bends

    def value(x: Floats, p: Floats) -> Floats:
        return p[..., 0:1] + p[..., 1:2] * parts(x, p)[0]

    def gradient(x: Floats, p: Floats) -> Floats:
        s, bends = parts(x, p)
        scaled = p[..., 1:2] * s
        columns = [np.ones_like(s), s, -scaled * (np.log(x) - origin)]
        for i, (height, in_place, in_width) in enumerate(bends):
            change = p[..., 3 + 3 * i : 4 + 3 * i] * np.log(10)
            columns += [-scaled * height, scaled * change * in_place, -scaled * change * in_width]
        return np.stack(columns, axis=-1)

    def start(x: Floats, y: Floats) -> Floats:
        t = np.log10(x)
        inner = np.quantile(t, np.linspace(0.1, 0.9, 9))
        gap = float(np.ptp(t)) * np.log(10)
        places: list[tuple[float, ...]] = [()] if breaks == 0 else [(a,) for a in inner]
        if breaks == 2:
            places = [(a, b) for i, a in enumerate(inner) for b in inner[i + 1 :]]
        guesses = []
        for share in (0.0, 0.5, 0.9):
            limit = share * float(y.min()) if y.min() > 0 else float(y.min()) - 0.1 * float(np.ptp(y))
            logs = np.log(np.maximum(y - limit, 1e-12 * max(1.0, float(np.abs(y).max()))))
            for where in places:
                for width in (0.01, 0.1) if breaks else (0.1,):
                    log_width = np.log10(max(width * gap, 2e-3))
                    heights = [bend(x, np.array(d), np.array(log_width))[0] for d in where]
                    basis = np.stack([np.ones_like(x), origin - np.log(x), *(-h for h in heights)], axis=-1)
                    c = _linear(basis[None], logs)[0]
                    tail = [(c[2 + i], d, log_width) for i, d in enumerate(where)]
                    guesses.append([limit, np.exp(np.clip(c[0], -300, 300)), c[1], *np.ravel(tail)])
        return np.array(guesses)

    extra = [(f"change_{i}", f"place_{i}", f"log10_width_{i}") for i in range(1, breaks + 1)]
    infinite = np.inf
    return Law(
        f"broken power law, {breaks} break{'' if breaks == 1 else 's'}",
        ("limit", "amplitude", "exponent", *(name for names in extra for name in names)),
        (0, 0, -10) + breaks * (-100, middle - 8, -3),
        (infinite, infinite, 10) + breaks * (100, middle + 8, 1),
        value,
        gradient,
        start,
    )


def hinge(*, falling: bool = False) -> Law:
    """y = chance + slope · max(0, t - onset), slope at least 0: flat at chance, then a rise.

    t is log10 x; with `falling` t is -x, for a loss axis, so that onset = -eta where the loss eta is the
    threshold (Du et al. 2024, arXiv 2403.15796). The gradient in the onset jumps where a point passes the
    knee.
    """

    def axis(x: Floats) -> Floats:
        return -x if falling else np.log10(x)

    def value(x: Floats, p: Floats) -> Floats:
        return p[..., 0:1] + p[..., 1:2] * np.maximum(axis(x) - p[..., 2:3], 0)

    def gradient(x: Floats, p: Floats) -> Floats:
        past = axis(x) - p[..., 2:3]
        above = past > 0
        return np.stack([np.ones_like(past), np.where(above, past, 0), -p[..., 1:2] * above], axis=-1)

    def start(x: Floats, y: Floats) -> Floats:
        knots = np.unique(axis(x))
        gaps = np.diff(knots)
        onset = np.concatenate([knots[:-1] + share * gaps for share in (1e-6, 0.25, 0.5, 0.75, 1 - 1e-6)])
        rise = np.maximum(axis(x) - onset[:, None], 0)
        return np.column_stack([_linear(np.stack([np.ones_like(rise), rise], axis=-1), y), onset])

    infinite = np.inf
    return Law(
        "hinge at chance",
        ("chance", "slope", "onset"),
        (-infinite, 0, -infinite),
        (infinite, infinite, infinite),
        value,
        gradient,
        start,
        positive=not falling,
    )


def _linear(basis: Floats, y: Floats) -> Floats:
    """Least-squares coefficients (K, q) of K bases (K, n, q); smallest in norm where they are not unique."""
    return np.asarray(np.linalg.pinv(basis, rcond=1e-10) @ y)


def _expit(z: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))
