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
# # 03 · The geometry of mixup codes
#
# **Question.** FGMix mixes latent codes of one class from several domains, with weights that may be negative. Do these
# codes reach where the images of the unseen domain lie?
#
# **The claim, from the FGMix paper (section 4.5.1, Figure 4).** Extrapolation results in "better coverage of the target
# region" than random interpolation.
#
# It uses the FGMix run of `make demo` (trained by the first cell if it is missing) and takes about a minute.

# %% tags=["parameters"]
from landscape import PRESETS

config = PRESETS["quick"].replace(target="sketch", seed=0)
root = "../checkpoints"
images, dimensions = 800, (2, 5, 10)  # a stratified sample; dimensions in which hulls are taken

# %%
from landscape import Embedding
from landscape.embedding import Recipe
from landscape.training import train

fgmix = train(config.replace(algorithm="fgmix"), root=root)
embedding = Embedding.fit(fgmix.find(kind="swa"), recipe=Recipe(images=images, dimensions=dimensions), progress=False)
figure = embedding.plot()

# %% [markdown]
# **What to look at.** (a) images, by domain and class; (b) the same with random interpolations; (c) with FGMix's codes,
# the extrapolated ones in black. All panels share one t-SNE. The row below is measured in latent space.
#
# **What it cannot show.** A place in a t-SNE is no evidence: distances and gaps in it depend on the perplexity. Nor is
# a larger hull: interpolation can never enlarge a convex hull, and any extrapolation can, in whatever direction. Two
# controls make coverage mean something:
#
# * **random weights** for the same groups, as many of them extrapolated: does the *policy* matter, or any negative
#   weight?
# * **held-out source images** in place of the target's: does it reach the *target*, or just outwards?

# %%
print(f"extrapolated codes: {embedding.extrapolated('FGMix'):.1%} (the paper, on PACS: 22.5 %)")
table = embedding.tables().query("measure == 'inside' and query in ('target', 'held-out sources')")
table = table[~table["pool"].str.contains(" - ")]
table["share inside the hull"] = [f"{r.value:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in table.itertuples()]
table.pivot(index=["query", "pool"], columns="dimension", values="share inside the hull")

# %% [markdown]
# Two things have to hold, so they are asserted: weights sum to 1, and interpolations cover exactly what the sources
# cover.

# %%
import numpy as np

mixed = np.concatenate([embedding.mixed(name) for name in embedding.variants])
assert np.allclose(np.nansum(embedding.weights[mixed], axis=1), 1, atol=1e-4)
share = {(row.query, row.pool, row.dimension): row.value for row in embedding.coverage if row.measure == "inside"}
assert all(value == share[query, "sources", d] for (query, pool, d), value in share.items() if pool == "A")

# %% [markdown]
# ## The claim
#
# The statistic is the distance from an image to the nearest mixup code of its class, in the whole latent space: it
# needs no choice of a dimension. FGMix's codes have to come closer to the target than the control's do, and more so
# than they come to held-out source images. Intervals are over images, of this one run.

# %%
pool, whole = "FGMix - control", embedding.codes.shape[1]
wanted = ("distance", pool, whole)
rows = {row.query: row for row in embedding.coverage if (row.measure, row.pool, row.dimension) == wanted}
print("claim: FGMix's codes come closer to the target than random weights with the same share of extrapolation do")
print("on this run: distance to the nearest mixup code, FGMix - control; negative: FGMix is closer")
print(f"(in all {whole:,} dimensions of latent space; 95 % intervals over images)")
for query, row in rows.items():
    print(f"  {query:28}{row.value:+.3f}  [{row.low:+.3f}, {row.high:+.3f}]  n = {row.n}")
if not rows:
    print("  no code extrapolates, so there is nothing to compare")
print("one seed: undecided for the method (and the control matches how many codes extrapolate, not how far)")
