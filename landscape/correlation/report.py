"""What an association says in a terminal."""

import numpy as np

from landscape.correlation.association import Association
from landscape.correlation.identifiability import Place, ambiguity
from landscape.intervals import Interval


def headline(association: Association) -> str:
    """Checkpoint, data and counts in one line."""
    about = association.about
    if "policy_steps" not in about:
        n = sum(map(len, association.pairs))
        return f"{n} pairs of gradients ({', '.join(pair.name for pair in association.pairs)})"
    seeds = about["seeds"]
    seed = f"seed {seeds[0]}, one seed" if len(seeds) == 1 else f"seeds {seeds}"
    return (
        f"{about['data']}, target {about['target']}, {about['model']}, {seed}: score S of {about['name']} "
        f"({_count(about['policy_steps'], 'policy step')}, T0 = {about['start']}), {_counts(about['n']['pairs'])} "
        f"same-class pairs {_from(about['part'])} per panel"
    )


def report(association: Association) -> str:
    """All estimates, and where they lie among untrained scores, as text."""
    width = max([len(pair.name) for pair in association.pairs] + [len("within groups"), len("mean of rho")]) + 2
    head = f"{'':{width}}{'rho':>8}{'95 % interval':>18}{'p':>10}{'n':>6}"
    compared = association.untrained is not None
    if compared:
        head += f"{'untrained (95 %)':>20}{'p greater':>11}{'p two-sided':>13}"
    lines = [headline(association), "", head]
    for kind in ("rho", "partial"):
        if kind == "partial":
            lines += ["given both gradient norms"] if _any(association) else []
            if not _any(association):
                continue
        for pair, place in zip(association.pairs, association.places(kind), strict=True):
            lines.append(_row(pair.name, width, getattr(pair, kind), place if compared else None))
        if kind == "rho" and compared:
            only = Interval(association.mean, n=sum(map(len, association.pairs)))
            lines.append(_row("mean of rho", width, only, association.places("mean")[0]))
    if association.groups is not None:
        lines.append("centred within groups, against variant C's scores")
        at = association.places("within")[0] if compared else None
        lines.append(_row("within groups", width, association.groups.within, at))
    lines += ["", *(f"{sentence}" for sentence in reading(association))]
    lines += [f"note: {note}" for note in association.about.get("notes", ())]
    return "\n".join(lines).rstrip()


def reading(association: Association) -> list[str]:
    """How to read the numbers, in sentences."""
    sentences = [
        "Intervals: BCa bootstrap over pairs (within groups: over groups); p: t approximation (within groups: "
        "permutations of the members). Both describe this one network, take the pairs as independent although "
        "images recur, and are not adjusted for the number of panels."
    ]
    if association.untrained is None:
        return sentences
    sentences.append(ambiguity(len(association.about["sources"])))
    start = association.of_untrained("mean", start=True)
    within = association.of_untrained("within", start=True)
    if len(start):
        centred = "" if np.isnan(within[0, 0]) else f", {within[0, 0]:+.2f} within groups"
        sentences.append(
            f"Untrained: {len(association.untrained)} random initialisations of S on the same pairs; the run's own "
            f"initialisation had a mean rho of {start[0, 0]:+.2f}{centred}."
        )
    return sentences


def _any(association: Association) -> bool:
    return any(not np.isnan(pair.partial.value) for pair in association.pairs)


def _row(name: str, width: int, one: Interval, place: Place | None) -> str:
    interval = "" if np.isnan(one.low) else f"[{one.low:+.2f}, {one.high:+.2f}]"
    p = "" if np.isnan(one.p) else f"{one.p:.2g}"
    rho = "undefined" if np.isnan(one.value) else f"{one.value:+.3f}"
    line = f"{name:{width}}{rho:>8}{interval:>18}{p:>10}{one.n:>6}"
    if place is None or np.isnan(place.low):
        return line.rstrip()
    return f"{line}{f'[{place.low:+.2f}, {place.high:+.2f}]':>20}{place.p_greater:>11.3f}{place.p_two_sided:>13.3f}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _counts(counts: list[int]) -> str:
    return f"{counts[0]:,}" if len(set(counts)) == 1 else f"{min(counts):,} to {max(counts):,}"


def _from(part: str) -> str:
    return {"in": "of training images", "out": "of held-out images", "all": "of images"}[part]
