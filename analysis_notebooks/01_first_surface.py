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
# # 01 · A first loss surface
#
# **Question.** Two networks start from the same weights; one is trained with ERM, one with FGMix. What does the loss
# look like around the places where they end, and does FGMix end where the unseen domain is served better?
#
# **The claim, from the FGMix paper (section 4.5.2, Figure 6).** "FGMix + SWA terminates in a region with higher test
# accuracy than ERM + SWA."
#
# You need the two runs of `make demo`: SixStyles, target domain sketch, EfficientNet-Lite0, 160 steps. If they are not
# there, the second cell trains them (about 3 minutes, once). This notebook then takes about a minute.

# %% tags=["parameters"]
from landscape import PRESETS

config = PRESETS["quick"].replace(target="sketch", seed=0)
root = "../checkpoints"
points, subset = 7, 400  # grid points along each axis; images evaluated at each of them

# %% [markdown]
# ## Two runs
#
# `train` returns at once when a run is finished. A run is a folder; `find` gives the checkpoint that you name: step 0
# is the common start, `kind="swa"` the running average of the weights (SWA) at the end.

# %%
from landscape.training import train

erm, fgmix = (train(config.replace(algorithm=name), root=root) for name in ("erm", "fgmix"))
start, erm_end, fgmix_end = erm.find(0), erm.find(kind="swa"), fgmix.find(kind="swa")

# %% [markdown]
# ## The plane through three checkpoints
#
# Three points span a plane in weight space. The network is evaluated at every point of a grid on it: on the training
# images of the sources, on FGMix's mixup codes, and on the target domain, which training never sees.

# %%
from landscape import Surface
from landscape.surface.recipe import Recipe, Where

where, recipe = Where(points=points), Recipe(subset=subset)
surface = Surface.through(start, erm_end, fgmix_end, where=where, recipe=recipe, progress=False)
figure = surface.plot()

# %% [markdown]
# **What to look at.** Darker is worse in all panels. The two losses share their contour levels, so a wider bright basin
# means a flatter one along these two directions. Then compare (a) with (c): where the accuracy on the target is best
# need not be where the training loss is lowest. That gap is the domain shift.
#
# **What it cannot show.** The plane has 2 of about 3.4 million directions. The paths are projected onto it, and what
# the projection drops is in the table: a path end that is far off the plane has another loss than the colour under it.

# %%
surface

# %% [markdown]
# A stratified sample of the images was evaluated, to be quick, so every value has an interval over images. It is widest
# for the target domain. Contours that differ by less are noise.

# %%
n = surface.about["n"]
print(f"{n['evaluated']:,} of {n['images']:,} images at each point; half of the 95 % interval is at most")
for panel in ("train_loss", "test_accuracy"):
    print(f"  {panel:15}{float(surface.half_width(panel).max()):.3f}")

# %% [markdown]
# ## Does the plane show the checkpoints truly?
#
# At an anchor's coordinates the plane has to give back that checkpoint: the same weights, so the same loss for every
# image. This has to hold, so it is asserted. The evaluator takes all target images here.

# %%
import numpy as np

from landscape import Checkpoint, Evaluator, Plane, build_network, open_task

task = open_task(erm.config, progress=False)
rows = task.target_rows()
network = build_network(config.model, num_classes=len(task.images.classes), weights="none")
evaluator = Evaluator(network, task.images.pixels, task.images.labels, rows=rows)

checkpoints = [Checkpoint.load(path) for path in (start, erm_end, fgmix_end)]
plane = Plane.through(*(checkpoint.weights(network) for checkpoint in checkpoints))
correct = []
for checkpoint, anchor, mark in zip(checkpoints, plane.anchors, surface.anchors, strict=True):
    itself = evaluator.at(checkpoint.weights(network), checkpoint.buffers(network))
    on_the_plane = evaluator.at(plane.at(*anchor), checkpoint.buffers(network))
    assert np.allclose(on_the_plane.loss, itself.loss, rtol=1e-4, atol=1e-5)
    assert np.allclose(anchor, (mark.x, mark.y))
    correct.append(itself.correct)
print(f"the plane gives back its three anchors, on each of {len(rows)} target images")

# %% [markdown]
# ## The claim
#
# Both ends are evaluated on the same target images, so the difference of their accuracies is a paired one. Its interval
# is a bootstrap over these images: it says what more images of this kind would change, and nothing about other seeds.

# %%
from landscape.intervals import paired_difference

difference = paired_difference(correct[1], correct[2])
low, high = difference.low, difference.high
verdict = "supported" if low > 0 else "not supported" if high < 0 else "undecided"
print("claim: FGMix + SWA ends at a higher accuracy on the target domain than ERM + SWA")
print(f"ERM + SWA {correct[1].mean():.3f}, FGMix + SWA {correct[2].mean():.3f}, n = {difference.n} target images")
print(f"difference {difference.value:+.3f}, 95 % interval over images [{low:+.3f}, {high:+.3f}]")
print(f"verdict: {verdict}, for these two runs (one seed each; a method is judged over several seeds and targets)")
