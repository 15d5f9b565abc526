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
# # 02 · Flatness and curvature
#
# **Question.** A minimum is called flat if the loss rises slowly around it. Is FGMix's minimum flatter than ERM's?
#
# **The claim, from the FGMix paper (section 4.5.2, Figure 5).** FGMix yields "a minimum that is even flatter than that
# of ERM". The paper takes ERM's loss on images and FGMix's loss on images and mixup codes. Those are two different
# losses, so here the same loss is measured for both as well.
#
# It uses the two runs of `make demo` (trained by the first cell if they are missing) and takes about a minute.

# %% tags=["parameters"]
from landscape import PRESETS

config = PRESETS["quick"].replace(target="sketch", seed=0)
root = "../checkpoints"
directions, subset = 30, 128  # random directions; training images that the loss is the mean of

# %%
from landscape.training import train

erm, fgmix = (train(config.replace(algorithm=name), root=root) for name in ("erm", "fgmix"))

# %% [markdown]
# ## First, check the ruler
#
# The measure is $E_u[(L(\theta + \gamma u) - L(\theta))^2]$ over random unit directions $u$. For
# $L(\theta) = \frac{h}{2}\lVert\theta\rVert^2$ at $\theta = 0$ it is $(h\gamma^2/2)^2$ along every direction.

# %%
import numpy as np
import torch

from landscape import Flatness, FlatnessCurve
from landscape.flatness.recipe import Recipe

h, bowl = 3.0, torch.nn.Linear(20, 1)
torch.nn.init.zeros_(bowl.weight)
torch.nn.init.zeros_(bowl.bias)
ruler = FlatnessCurve.measure(
    bowl,
    lambda module: float(h / 2 * sum((p.double() ** 2).sum() for p in module.parameters())),
    recipe=Recipe(gammas=(0.5, 1.0, 2.0)),
    progress=False,
)
assert np.allclose(ruler.mean(), (h * ruler.gamma**2 / 2) ** 2, rtol=1e-4)
print("mean over directions:", ruler.mean().round(4), " closed form:", ((h * ruler.gamma**2 / 2) ** 2).round(4))

# %% [markdown]
# ## Then, the networks
#
# Every method is moved along the same directions, by the same distances, so the curves can be compared direction by
# direction. A short pilot chose the distances.

# %%
flatness = Flatness.measure(
    erm.find(),
    fgmix.find(),
    recipe=Recipe(scope=("full",), directions=directions, steps=4),
    subset=subset,
    progress=False,
)
figure = flatness.plot()

# %% [markdown]
# **What to look at.** The top row is the paper's comparison, on different losses. The bottom row is the fair one: the
# same images, and for both methods one fixed set of groups with frozen weights, whose mixup codes are made anew from
# each point's latent codes (solid); and images alone (dashed).
#
# **What it cannot show.** The band is over directions and describes these weights. It is no error bar over trainings.
# A network can also be rescaled without changing what it computes, and its flatness changes with it. Equal norms in the
# caption rule out a common rescaling of all weights and no other: layers can be rescaled against each other at the same
# total norm.

# %% [markdown]
# ## Curvature along training
#
# Flatness looks at a finite distance, curvature at an infinitesimal one: the largest eigenvalue of the Hessian is the
# steepest bend, the trace their sum. For the classifier alone both are exact and quick, over all training images. The
# whole network takes minutes: `python -m landscape.flatness RUN --curvature`.

# %%
from landscape import CurvaturePath
from landscape.flatness.recipe import CurvatureRecipe

recipe = CurvatureRecipe(scope=("classifier",), top=1, density=False)
path = CurvaturePath.measure(erm.find(), fgmix.find(), recipe=recipe, root=root, progress=False)
figure = path.plot()

# %% [markdown]
# The loss of a linear classifier is convex in its weights, so no eigenvalue is below zero and the largest one cannot
# exceed their sum.

# %%
for point in path.points:
    assert 0 <= point.curvature.eigenvalues[0] <= point.curvature.trace * (1 + 1e-6)
table = path.to_dataframe().groupby("path").last()[["step", "eigenvalue_1", "trace"]]
table.rename(columns={"eigenvalue_1": "largest eigenvalue"}).round(4)

# %% [markdown]
# ## The claim
#
# The statistic is the mean over directions of FGMix's squared rise minus ERM's, at the largest distance: negative where
# FGMix is flatter. It is paired, for both were moved along the same directions; the interval resamples these.

# %%
from scipy import stats

at_erm, at_fgmix = flatness.curves
assert np.all(at_erm.samples[:, 0] == 0)
assert np.array_equal(at_erm.gamma, at_fgmix.gamma)


def difference(loss):
    """Mean of FGMix - ERM at the largest gamma, and its 95 % bootstrap interval over directions."""
    pairs = at_fgmix.values(loss=loss)[-1] - at_erm.values(loss=loss)[-1]
    found = stats.bootstrap((pairs,), np.mean, method="percentile", rng=np.random.default_rng(0))
    return pairs.mean(), *found.confidence_interval


print("claim: FGMix's minimum is flatter than ERM's")
print(
    f"on this run: squared rise at gamma = {at_erm.gamma[-1]:.3g}, FGMix - ERM, "
    f"{at_erm.directions} directions, in nat^2"
)
for loss, words in (("own", "different losses, as in the paper"), ("shared", "the same loss, images and mixup codes")):
    mean, low, high = difference(loss)
    print(f"  {words:40}{mean:+.4f}  [{low:+.4f}, {high:+.4f}]")
print("one seed: undecided for the method (the intervals are over directions, not over trainings)")
