"""What the companion makes of a sharp headline: steps 3 and 6 to 9 of the decision tree."""

from __future__ import annotations

import numpy as np

from unmirage.counts import listed, together
from unmirage.verdict.curve import Curve, by_scale
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.link import LinkCheck
from unmirage.verdict.outcome import ARTIFACT, CANNOT_TELL, ROBUST_BREAK, SMOOTH, Verdict
from unmirage.verdict.settling import seeing_a_bend, seeing_a_fall_back, seeing_a_step
from unmirage.verdict.sharpness import Sharpness
from unmirage.verdict.thresholds import Thresholds

ONE_SIDED = 1.645  # normal quantile of 95%


def breaks(evidence: Evidence) -> bool:
    """Whether the companion breaks: every gate of the test is passed, p also after adjustment."""
    return evidence.test.is_break and evidence.p_adjusted <= evidence.alpha


def robust(curve: Curve, shape: Sharpness, evidence: Evidence) -> Verdict:
    """Step 3: the companion breaks. Whether that is the jump of the headline is asked, too."""
    test = evidence.test
    broken = (
        f"{evidence.name} itself breaks between {evidence.between(test.gap)}: a step of {test.step:.3g}, "
        f"{test.step_share:.0%} of its range, which no smooth curve explains ({_p(evidence)})"
    )
    t = np.log10(by_scale(curve)[0])
    low, high = (float(t[0] + place * (t[-1] - t[0])) for place in (shape.t10, shape.t90))
    if not evidence.beside(low, high):
        first, last = (_at(curve, place) for place in (low, high))
        return Verdict(
            CANNOT_TELL,
            shape,
            [f"{broken}, but {curve.headline} rises elsewhere, between {first} and {last}"],
            [f"more scales between {first} and {last}, to see what {evidence.name} does there"],
        )
    return Verdict(
        ROBUST_BREAK,
        shape,
        [
            broken,
            f"smooth means: no rise that takes less than {test.w_min:.2g} decades; models scatter by "
            f"{evidence.percent(test.sigma)} about their curve ({evidence.sources})",
            f"so the metric did not make this jump in {curve.headline}: smooth progress that a metric "
            f"deforms, the account of Schaeffer et al. 2023, does not hold here, and the "
            f"jump stays with {evidence.name}",
        ],
    )


def _at(curve: Curve, place: float) -> str:
    """The models at the scale nearest to a log10 scale."""
    t = np.log10(by_scale(curve)[0])
    return together([point.model for point in curve.groups()[int(np.abs(t - place).argmin())]])


def _missing(curve: Curve, evidence: Evidence, shape: Sharpness) -> str:
    """The models within the jump of the headline at which there is no companion; "" where it is there."""
    t = np.log10(by_scale(curve)[0])
    low, high = (t[0] + place * (t[-1] - t[0]) for place in (shape.t10, shape.t90))
    # The scales at both ends of the gaps that the rise begins and ends in count as well.
    first, last = max(int(np.searchsorted(t, low, "right")) - 1, 0), int(np.searchsorted(t, high))
    have = np.log10(evidence.scales)
    names = [
        together([point.model for point in group])
        for k, group in enumerate(curve.groups())
        if first <= k <= last and np.abs(have - t[k]).min() > 1e-9
    ]
    return listed(names)


def weigh(curve: Curve, shape: Sharpness, evidence: Evidence, how: str, limits: Thresholds) -> Verdict:
    """Steps 6 to 9, for a sharp headline whose companion does not break for sure."""
    test, name = evidence.test, evidence.name
    looks = f"{curve.headline} looks sharp"
    scales = by_scale(curve)[0]
    window = evidence.place_of(scales, shape.t10), evidence.place_of(scales, shape.t90)

    def unsure(why: str, *settle: str) -> Verdict:
        return Verdict(CANNOT_TELL, shape, [f"{looks}, but {why}", how], [s for s in settle if s])

    missing = _missing(curve, evidence, shape)
    if missing:
        return unsure(f"{name} is not there where it jumps, at {missing}", f"{name}, finite, at {missing}")
    span = float(np.ptp(np.log10(evidence.scales)))
    if test.w_min >= span:
        return unsure(
            f"{name} is there at too few scales to tell a step from a smooth rise: the largest gap between "
            f"them makes every rise over less than {test.w_min:.2g} decades look like a step, and there are "
            f"{span:.2g}",
            "scales in the largest gap",
        )
    # 6. A companion that gets worse on the way, or that may break.
    if not test.monotone:
        return unsure(
            f"{name} gets worse on the way, which is neither a smooth rise nor a step",
            seeing_a_fall_back(evidence),
        )
    if test.p <= evidence.alpha:
        return unsure(suspected(evidence), seeing_a_step(evidence, window, limits))
    if curve.companion == curve.headline:
        seen = evidence.power(window, limits.step_share)
        if seen >= limits.power:
            return Verdict(
                SMOOTH,
                shape,
                [
                    f"{looks}, but a smooth curve explains it ({_p(evidence)}), and a step would have been "
                    f"seen ({seen:.0%} power)",
                    how,
                ],
            )
        return unsure(
            f"whether it is a step cannot be told ({_p(evidence)}, power {seen:.0%})",
            seeing_a_step(evidence, window, limits),
        )
    # A step needs two scales on both sides to be told from a bad model.
    gap, leap = evidence.gap_of(window), evidence.leaps_at()
    if leap or not 1 <= gap <= evidence.y.size - 3:
        below = leap == "first" or (not leap and gap < 1)
        end = evidence.names[0 if below else -1]
        return unsure(
            f"{f'{name} leaps' if leap else 'the jump is'} at the edge of the scales, where a step in {name} "
            "cannot be told from one odd model",
            f"two or more scales {'below' if below else 'above'} {end}",
        )
    # 7. Does the companion predict the headline?
    link = evidence.link
    if link is None:
        return unsure(
            f"whether {name} predicts it cannot be tested: {evidence.why_no_link}",
            "logs of the items, with the log-probabilities of their targets or choices",
        )
    predicts = _contradiction(link, limits)
    if predicts is not None:
        which, worst, said = predicts
        return unsure(
            f"{name} does not predict it: at {evidence.names[worst]} it is {link.observed[worst]:.3g} where "
            f"{which} says {said:.3g} ({_fit(link)}); the outputs may fail for another reason, such as their "
            "format",
            f"a look at the outputs of {evidence.names[worst]}: those of good {name} and wrong answer",
        )
    # Also within a scale, where nothing but the items differs?
    if not link.slope - ONE_SIDED * link.slope_error >= limits.within_slope:
        known = "" if np.isnan(link.slope) else f"{link.slope:.2f} ± {link.slope_error:.2f}, and "
        return unsure(
            f"within a scale {name} does not surely tell right answers from wrong ones: the slope of right "
            f"answers on the link is {known}1 where the link holds",
            _more_items(link, limits),
        )
    # 8. Does the companion move before the headline does?
    early = evidence.early_slope(window[0])
    if np.isnan(early):
        return unsure(f"it begins below the scales of {name}", f"{name} at smaller scales")
    if not early >= limits.early_slope:
        return unsure(
            f"{name} is late too: before the rise it moves at {max(early, 0):.0%} of its mean speed "
            f"({limits.early_slope:.0%} or more is asked of a metric artifact), and a bend cannot be told "
            "from a kink here",
            seeing_a_bend(evidence),
        )
    # 9. Would a step have been seen?
    seen = evidence.power(window, limits.step_share)
    if seen < limits.power:
        return unsure(
            f"though {name} is smooth and predicts it ({_fit(link)}), a step in {name} would "
            f"have been missed: {seen:.0%} power, {limits.power:.0%} is asked for",
            seeing_a_step(evidence, window, limits),
        )
    return Verdict(
        ARTIFACT,
        shape,
        [
            f"{looks}, but {name} moves smoothly through the jump ({_p(evidence)}) and predicts it "
            f"({_fit(link)})",
            f"had {limits.step_share:.0%} of the change of {name} in the jump come at once, that would have "
            f"been seen ({seen:.0%} power); smooth means: no rise that takes less than {test.w_min:.2g} "
            "decades",
            how,
        ],
    )


def _contradiction(link: LinkCheck, limits: Thresholds) -> tuple[str, int, float] | None:
    """(which prediction, scale, what it says) of the check that the link fails; None where it holds."""
    held = "the link of the other scales"
    if float(np.min(link.p_count)) * len(link.p_count) < limits.count_alpha:
        return held, link.worst, float(link.held_out[link.worst])
    if not link.r2_held_out >= limits.link_held_out:
        worst = link.furthest(link.held_out)
        return held, worst, float(link.held_out[worst])
    if link.r2_smooth < limits.link_smooth:
        worst = link.furthest(link.smooth)
        return "the smooth curve", worst, float(link.smooth[worst])
    return None


def _more_items(link: LinkCheck, limits: Thresholds) -> str:
    """How many items would show that the link holds within scales, if its slope is what it seems."""
    room = link.slope - limits.within_slope
    if not room > 0:
        return "items whose scores differ more, or a metric that goes with the right answers"
    many = max(int(np.ceil((ONE_SIDED * link.slope_error / room) ** 2)), 2)
    return f"{many} times as many items, if the slope is what it seems"


def _fit(link: LinkCheck) -> str:
    smooth = "" if np.isnan(link.r2_smooth) else f", {link.r2_smooth:.2f} from the smooth curve"
    return f"R² {link.r2_held_out:.2f} at scales left out{smooth}"


_GATES = {
    "step": "the step is small",
    "rise": "it gets worse on the way",
    "bump": "a bump that recovers explains it as well",
}


def suspected(evidence: Evidence) -> str:
    """What to say of a break that one test finds and that is none for sure."""
    failed = [_GATES[gate.name] for gate in evidence.test.gates if gate.name != "p" and not gate.passed]
    rest = ", ".join(failed) or "not after adjustment over all tasks"
    return (
        f"{evidence.name} may break, between {evidence.between(evidence.test.gap)} ({_p(evidence)}): {rest}"
    )


def _p(evidence: Evidence) -> str:
    p, adjusted = evidence.test.p, evidence.p_adjusted
    return f"p = {p:.2g}" + (f", {adjusted:.2g} adjusted" if f"{adjusted:.2g}" != f"{p:.2g}" else "")
