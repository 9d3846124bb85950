"""What the companion makes of a sharp headline: steps 3 and 6 to 9 of the decision tree."""

from __future__ import annotations

import numpy as np

from unmirage.verdict.curve import Curve, by_scale
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.outcome import ARTIFACT, CANNOT_TELL, ROBUST_BREAK, SMOOTH, Verdict
from unmirage.verdict.settling import seeing_a_bend, seeing_a_step
from unmirage.verdict.sharpness import Sharpness
from unmirage.verdict.thresholds import Thresholds


def breaks(evidence: Evidence) -> bool:
    """Whether the companion breaks: every gate of the test is passed, p also after adjustment."""
    return evidence.test.is_break and evidence.p_adjusted <= evidence.alpha


def robust(curve: Curve, shape: Sharpness, evidence: Evidence) -> Verdict:
    """Step 3."""
    test = evidence.test
    return Verdict(
        ROBUST_BREAK,
        shape,
        [
            f"{evidence.name} itself breaks between {evidence.between(test.gap)}: a step of {test.step:.3g}, "
            f"{test.step_share:.0%} of its range, which no smooth curve explains ({_p(evidence)})",
            f"smooth means: no rise that takes less than {test.w_min:.2g} decades; models scatter by "
            f"{evidence.percent(test.sigma)} about their curve ({evidence.sources})",
        ],
    )


def weigh(curve: Curve, shape: Sharpness, evidence: Evidence, how: str, limits: Thresholds) -> Verdict:
    """Steps 6 to 9, for a sharp headline whose companion does not break for sure."""
    test, name = evidence.test, evidence.name
    looks = f"{curve.headline} looks sharp"
    scales = by_scale(curve)[0]
    window = evidence.place_of(scales, shape.t10), evidence.place_of(scales, shape.t90)

    def unsure(why: str, *settle: str) -> Verdict:
        return Verdict(CANNOT_TELL, shape, [f"{looks}, but {why}", how], [s for s in settle if s])

    # 6. A companion that gets worse on the way, or that may break.
    if not test.monotone:
        return unsure(
            f"{name} gets worse on the way, which is neither a smooth rise nor a step",
            f"more seeds or checkpoints at the scales where {name} gets worse",
        )
    if test.p <= evidence.alpha:
        failed = [_GATES[gate.name] for gate in test.gates if not gate.passed]
        rest = f"{', '.join(failed)}" if failed else "not after adjustment over all tasks"
        return unsure(
            f"{name} may break too, between {evidence.between(test.gap)} ({_p(evidence)}): {rest}",
            seeing_a_step(evidence, window, limits),
        )
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
    gap = evidence.gap_of(window)
    if not 1 <= gap <= evidence.y.size - 3:
        side = "below" if gap < 1 else "above"
        end = evidence.names[0 if gap < 1 else -1]
        return unsure(
            f"the jump is at the edge of the scales, where one model cannot be told from a step in {name}",
            f"two or more scales {side} {end}",
        )
    # 7. Does the companion predict the headline?
    link = evidence.link
    if link is None:
        return unsure(f"whether {name} predicts it cannot be tested: {evidence.why_no_link}")
    p_count = float(np.min(link.p_count)) * len(link.p_count)
    if not (link.r2_held_out >= limits.link_held_out and link.r2_smooth >= limits.link_smooth) or (
        p_count < limits.count_alpha
    ):
        worst = link.worst if p_count < limits.count_alpha else link.furthest
        return unsure(
            f"{name} does not predict it: at {evidence.names[worst]} it is {link.observed[worst]:.3g} where "
            f"the link of the other scales says {link.held_out[worst]:.3g} (R² over all scales "
            f"{link.r2_held_out:.2f}, from the smooth curve {link.r2_smooth:.2f}); the outputs may fail for "
            "another reason, such as their format",
            f"a look at the outputs of {evidence.names[worst]} whose {name} is good and whose "
            f"{curve.headline} is 0",
        )
    # 8. Does the companion move before the headline does?
    early = evidence.early_slope(window[0])
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
            f"though {name} is smooth and predicts it (R² {link.r2_held_out:.2f}), a step in {name} would "
            f"have been missed: {seen:.0%} power, {limits.power:.0%} is asked for",
            seeing_a_step(evidence, window, limits),
        )
    return Verdict(
        ARTIFACT,
        shape,
        [
            f"{looks}, but {name} moves smoothly through the jump ({_p(evidence)}) and predicts it (R² "
            f"{link.r2_held_out:.2f} at scales left out, {link.r2_smooth:.2f} from the smooth curve)",
            f"had {limits.step_share:.0%} of the change of {name} in the jump come at once, that would have "
            f"been seen ({seen:.0%} power); smooth means: no rise that takes less than {test.w_min:.2g} "
            "decades",
            how,
        ],
    )


_GATES = {
    "step": "the step is small",
    "bump": "a bump that recovers explains it as well",
    "rise": "the curve gets worse on the way",
    "p": "",
}


def _p(evidence: Evidence) -> str:
    p, adjusted = evidence.test.p, evidence.p_adjusted
    return f"p = {p:.2g}" + (f", {adjusted:.2g} adjusted" if f"{adjusted:.2g}" != f"{p:.2g}" else "")
