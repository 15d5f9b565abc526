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
# # 06 · Toy examples
#
# **Question.** Why should gradients that agree get larger weights? The FGMix paper answers with two pictures in two
# dimensions. Here they are computed, digit by digit, with the functions that training uses.
#
# **The claim, from Appendix A.** "FGMix produces gradient update with direction similar to that of AND-Mask", more
# similar than ERM's is. (The toy example of Domain Gradient Equilibrium comes when that method is there.)
#
# Nothing is trained; it takes a few seconds.

# %% tags=["parameters"]
draws = 20_000  # random examples beside the paper's one

# %% [markdown]
# ## Three gradients and their losses (Figure 3a)
#
# The paper draws it without numbers, so these are ours. Each loss is a bowl around its own minimum; the gradients are
# taken at the origin. Gradients 1 and 2 point in similar directions, 3 points elsewhere.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from landscape import fgmix

minima = np.array([[2.0, 0.5], [1.1, 1.6], [-0.8, 1.9]])


def losses(at):
    """The three losses at some points (..., 2): half the squared distance to each minimum."""
    return ((at[..., None, :] - minima) ** 2).sum(-1) / 2


gradients = -minima  # of losses() at the origin
descent = -gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
gain = losses(0.5 * descent) - losses(np.zeros(2))  # a step of 0.5 along each: (step along, change of loss)

grid = np.linspace(-2, 3.2, 101)
values = losses(np.stack(np.meshgrid(grid, grid), axis=-1))
figure, axes = plt.subplots(1, 3, figsize=(6.75, 2.4), layout="constrained", sharey=True)
for i, ax in enumerate(axes):
    ax.contour(grid, grid, values[..., i], levels=10, cmap="viridis_r", linewidths=0.7)
    ax.plot(*minima[i], "k*", ms=7)
    for j, colour in enumerate(("tab:blue", "tab:green", "tab:red")):
        ax.annotate("", descent[j], (0, 0), arrowprops={"arrowstyle": "->", "color": colour, "lw": 2})
        ax.text(*(1.3 * descent[j]), f"$-g_{j + 1}$", color=colour, ha="center", va="center")
    ax.set_title(f"loss {i + 1}")
    ax.set_aspect("equal")

# %%
import pandas as pd

rows = torch.arange(3)[None]
sums = fgmix.cosine_scores(torch.from_numpy(gradients), rows)[0].numpy()
table = pd.DataFrame(
    gain, index=[f"step along -g{i + 1}" for i in range(3)], columns=[f"loss {i + 1}" for i in range(3)]
)
table["all three"] = gain.sum(1)
table["sum of cosines"] = sums
assert sums.argmax() == gain.sum(1).argmin()
table.round(3)

# %% [markdown]
# **What to look at.** The gradient with the largest sum of cosines (the second) is also the one whose step lowers the
# three losses most. That is the idea behind the weights. It holds for these bowls; it is no theorem.
#
# ## Scaling and shifting (Figures 3b and 3c)
#
# $\tilde w_i = \lambda w_i + (1 - \lambda)/n$ keeps the sum at 1. Above $\lambda^* = 1/(1 - n \min_i w_i)$ a weight is
# negative: the code leaves the hull of its members.

# %%
figure, axes = plt.subplots(1, 2, figsize=(6.75, 2.3), layout="constrained", sharey=True)
scales = (1, 2, 3, 5, 8)
for ax, (words, weights) in zip(
    axes, (("more distinctive", [0.6, 0.3, 0.1]), ("less distinctive", [0.4, 0.33, 0.27])), strict=True
):
    w = torch.tensor([weights], dtype=torch.float64)
    onset = float(fgmix.extrapolation_onset(w))
    assert np.isclose(onset, 1 / (1 - 3 * min(weights)))
    assert np.isclose(float(fgmix.scale_and_shift(w, onset).min()), 0)
    for k, scale in enumerate(scales):
        scaled = fgmix.scale_and_shift(w, scale)[0].numpy()
        assert np.isclose(scaled.sum(), 1)
        colour = plt.get_cmap("viridis")(k / len(scales))
        ax.bar(np.arange(3) + 0.16 * (k - 2), scaled, 0.14, color=colour, label=rf"$\lambda = {scale}$")
    ax.axhline(0, color="black", lw=0.6)
    ax.set_title(rf"{words}: extrapolates above $\lambda^* = {onset:.2f}$", fontsize=9)
    ax.set_xticks(range(3), [f"$w_{i + 1}$" for i in range(3)])
handles = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)

# %% [markdown]
# ## Four gradients (Appendix A, Figure 7)
#
# ERM adds the gradients up. AND-Mask drops the component in which too many signs disagree. FGMix weighs each gradient
# by the softmax of its summed cosines. `python -m landscape.toy` prints the same numbers.

# %%
from landscape.plots.fig7 import plot_directions, plot_four_gradients
from landscape.toy import appendix_a, compare

toy = appendix_a()
lines = compare(toy)
assert all(line.same for line in lines)
print(f"all {len(lines)} numbers that the paper prints are reproduced")

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
plot_four_gradients(toy, axes[0]).set_title("gradients and FGMix's weights")
title = plot_directions(toy, axes[1]).set_title("what the methods make of them")

# %% [markdown]
# ## The claim
#
# For the paper's four gradients it is a matter of arithmetic. Does it hold for gradients that nobody chose? Draw four
# at random, again and again, and count how often FGMix's direction is closer to AND-Mask's than ERM's is. Where
# AND-Mask drops everything, or nothing (it is ERM then), there is nothing to compare.

# %%
from scipy import stats


def cosine(x, y):
    """Cosine of the angle between vectors (..., 2)."""
    return (x * y).sum(-1) / (np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1))


assert toy.cosine("fgmix", "and_mask") > toy.cosine("erm", "and_mask")

random = np.random.default_rng(0).normal(size=(draws, 4, 2))
positive = (random > 0).mean(1)
mask = np.minimum(positive, 1 - positive) <= 0.4
compared = mask.sum(1) == 1
flat, groups = torch.from_numpy(random.reshape(-1, 2)), torch.arange(4 * draws).reshape(draws, 4)
mixed = fgmix.mix_codes(flat, groups, fgmix.softmax_weights(fgmix.cosine_scores(flat, groups))).numpy()
total = random.sum(1)
mixed, total, mask = mixed[compared], total[compared], mask[compared]
closer = cosine(mixed, mask * total) > cosine(total, mask * total)
share = stats.binomtest(int(closer.sum()), len(closer))
low, high = share.proportion_ci()
ours, plain = toy.cosine("fgmix", "and_mask"), toy.cosine("erm", "and_mask")
print("claim: FGMix's direction is closer to AND-Mask's than ERM's is")
print(f"the paper's example: supported exactly; cosine {ours:.4f} against {plain:.4f}")
print(f"{closer.mean():.1%} of random examples; 95 % interval [{low:.1%}, {high:.1%}], n = {len(closer):,}")
