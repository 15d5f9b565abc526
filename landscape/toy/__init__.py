"""Small synthetic worlds in which everything is known, and the papers' toy example: ``python -m landscape.toy``.

==================  =======================================================================================
four_gradients      FGMix's Appendix A: ERM, AND-Mask and FGMix on four gradients, with the printed digits
three_losses        three quadratic losses: what FGMix's Figure 3 shows
planar_domains      domains in the plane and classifiers trained on them: what FGMix's Figure 1 shows
causal_domains      vectors of which it is known whether they carry what is invariant between domains
==================  =======================================================================================
"""

from landscape.toy.four_gradients import Comparison, ToyExample, appendix_a, compare

__all__ = ["Comparison", "ToyExample", "appendix_a", "compare"]
