"""ERM, FGMix and its variants. No torch in here."""

from landscape.algorithms.fgmix_options import MixupConfig
from landscape.algorithms.method import Choice, Method, ranges


def _mixes(name: str, label: str, paper: str, colour: str) -> Method:
    """FGMix or one of its variants: plain ERM before T0, then mixup of latent codes."""
    return Method(
        name,
        label,
        f"FGMix, {paper}",
        "loops.fgmix",
        MixupConfig,
        fewest_domains=2,
        needs_codes=True,
        trunk=True,
        colour=colour,
        search=ranges(
            policy_lr=Choice((1e-4, 1e-3, 1e-2)),
            scale_init=Choice((1.0, 3.0, 5.0, 8.0)),
            eta=Choice((0.01, 0.03, 0.1, 0.3)),
        ),
    )


ROWS = (
    Method("erm", "ERM", "Vapnik 1998", "erm", trunk=True, colour="#D55E00"),
    _mixes("a0", "A0", "control: copies instead of mixtures", "#6B6B6B"),
    _mixes("a", "A", "Table 2: random interpolation", "#E69F00"),
    _mixes("b", "B", "Table 2: cosines of codes", "#F0E442"),
    _mixes("c", "C", "Table 2: cosines of gradients", "#009E73"),
    _mixes("d", "D", "Table 2: C, extrapolated by a fixed lambda", "#56B4E9"),
    _mixes("e0", "E0", "control: E with lambda fixed", "#6B6B6B"),
    _mixes("e", "E", "Table 2: learned score and lambda, flatness loss only", "#CC79A7"),
    _mixes("f", "F", "Table 2: FGMix with codes in place of gradients", "#000000"),
    _mixes("fgmix", "FGMix", "Algorithm 1", "#0072B2"),
)
