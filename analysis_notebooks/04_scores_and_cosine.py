# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Do learned scores follow the cosine?
#
# **Question.** FGMix weighs an image by a learned score $S(g_i, g_j)$ of two classifier gradients. The idea behind it
# is their cosine. Has $S$ learned something like it?
#
# **The claim, from the FGMix paper (Appendix B, Figure 8).** "Consistent positive Spearman correlations, ranging from
# approximately 0.35 to 0.58" in all six pairs of source domains.
#
# It uses the FGMix run of `make demo` (trained by the first cell if it is missing) and takes about a minute.

# %% tags=["parameters"]
from landscape import PRESETS

config = PRESETS["quick"].replace(target="sketch", seed=0)
root = "../checkpoints"
pairs, groups, untrained = 200, 200, 100  # sampled pairs and groups; random initialisations of S

# %%
from landscape import Association
from landscape.correlation.recipe import Recipe
from landscape.training import train

fgmix = train(config.replace(algorithm="fgmix"), root=root)
recipe = Recipe(pairs=pairs, groups=groups, null=untrained)
association = Association.measure(fgmix.find(), recipe=recipe, progress=False)
figure = association.plot()

# %% [markdown]
# **What to look at.** First the six scatters, as in the paper. Then, at the bottom right, where each of these
# correlations (black) lies among those of scores that were *never trained* (grey). An untrained network is a smooth
# function of the gradients too, and may correlate with the cosine strongly, in either direction.
#
# **What it cannot show.** A rank correlation of $S$ is no property of the policy, as the next cell shows.

# %% [markdown]
# ## The same weights, any correlation
#
# The policy uses $s_i = \sum_{j \ne i} S(g_i, g_j)$ and a softmax over the group. Take any function $h$ of a gradient
# and let $S'(a, b) = S(a, b) + h(a) + (n - 1)\,h(b)$: every $s_i$ of a group of $n$ moves by the same amount, so the
# weights stay what they are. The correlation does not.

# %%
import numpy as np
import torch

from landscape.fgmix import score_sums, softmax_weights

n = len(association.about["sources"])
rng = np.random.default_rng(0)
S, h = rng.normal(size=(50, n, n)), 4 * rng.normal(size=(50, n))
S_prime = S + h[:, :, None] + (n - 1) * h[:, None, :]
weights, weights_prime = (softmax_weights(score_sums(torch.from_numpy(scores))) for scores in (S, S_prime))
assert torch.allclose(weights, weights_prime)

pair = association.pairs[0]
print(f"{pair.name}: Spearman's rho of score and cosine, from scores that give the same weights")
for c in (-1, -0.1, 0, 0.1, 1):
    h = c * np.log(pair.norms)  # one h(g) of many: the logarithm of the gradient's norm
    shifted = Association.of(pair.score + h[:, 0] + (n - 1) * h[:, 1], pair.cosine)
    print(f"  h = {c:+4.1f} log|g|   rho = {shifted.pairs[0].rho.value:+.2f}")

# %% [markdown]
# What the weights do determine is the score of an image *within its group*, $s_i$ minus the group's mean. That is the
# row "within groups" below; its interval resamples groups.

# %%
table = association.summary()
table["95 % interval"] = [f"[{r.low:+.2f}, {r.high:+.2f}]" if r.low == r.low else "" for r in table.itertuples()]
table["untrained, 95 %"] = [f"[{r.untrained_low:+.2f}, {r.untrained_high:+.2f}]" for r in table.itertuples()]
table["p"] = [f"{value:.2f}" for value in table["p_greater"]]
table["rho"] = [f"{value:+.2f}" for value in table["rho"]]
table.set_index(["statistic", "where"])[["rho", "95 % interval", "untrained, 95 %", "p"]]

# %% [markdown]
# `p` is the share of scores, the trained one among them, whose correlation is at least as large as the trained one's.
#
# ## The claim
#
# It is tested on the companion that the weights identify: positive within groups, and larger than in untrained scores.
# The plain mean of rho stands beside it, as the paper gives it.

# %%
within, place = association.groups.within, association.places("within")[0]
assert np.isclose(association.mean, np.mean([pair.rho.value for pair in association.pairs]))
supported, refuted = within.low > 0 and place.p_greater < 0.05, within.high < 0
verdict = "supported" if supported else "not supported" if refuted else "undecided"
print("claim: the learned score rises with the cosine of the gradients")
print(f"plain rho: mean {association.mean:+.2f} over {len(association.pairs)} pairs of domains (not identified)")
print(f"within groups: {within.value:+.2f}, 95 % interval over {len(association.groups)} groups ", end="")
print(f"[{within.low:+.2f}, {within.high:+.2f}]")
print(f"among {place.n} untrained scores ([{place.low:+.2f}, {place.high:+.2f}]): p = {place.p_greater:.2f}")
steps = association.about["policy_steps"]
print(f"verdict: {verdict}, for this run (one seed; the score had {steps} updates, the paper's about 2,000)")
