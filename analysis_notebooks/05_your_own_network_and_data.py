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
# # 05 · Your own network and data
#
# **Question.** You have a network, images and a training loop of your own, and no checkpoint of this package. What can
# you measure? Everything that needs weights, a loss and a loader: flatness, curvature, codes, a surface.
#
# The stand-ins here need no download: scikit-learn's handwritten digits, rotated by 0, 20 and 40 degrees for training
# and by 60 degrees as the unseen domain; an MLP-Mixer from timm with random weights; a loop of plain PyTorch. Replace
# the next three cells with yours.
#
# **The claim to test.** Averaging the last weights of a training (SWA) "leads to wider optima" (Izmailov et al. 2018).
# Does it on your network? This takes about a minute.

# %% tags=["parameters"]
from pathlib import Path
from tempfile import TemporaryDirectory

size, steps = 32, 120  # side of the images in pixels; updates
count, directions, points = 400, 30, 7  # digits; random directions; grid points along each axis

# %% [markdown]
# ## Your images
#
# A folder `domain/class/image` is all that it takes (or a CSV file, see the README).

# %%
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from landscape import Task, load_images
from landscape.data import split_images

digits = load_digits()
scratch = TemporaryDirectory()
folder = Path(scratch.name) / "digits"
for domain, angle in (("upright", 0), ("tilted20", 20), ("tilted40", 40), ("tilted60", 60)):
    for index, (pixels, label) in enumerate(zip(digits.images[:count], digits.target[:count], strict=True)):
        file = folder / domain / str(label) / f"{index:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
        image.rotate(angle, Image.Resampling.BILINEAR).save(file)

images = load_images(str(folder), size=size, cache=Path(scratch.name) / "cache", progress=False)
task = Task(images, split_images(images, seed=0), "tilted60")
print(f"{len(images):,} images; sources {', '.join(task.sources)}; target {task.target}")

# %% [markdown]
# ## Your network
#
# Any module from images to logits will do. Latent codes need the two parts `featurizer` and `classifier`; the
# attributes `mean` and `std` say how you normalise (ImageNet's values without them).

# %%
import timm
import torch
from torch import nn


class Digits(nn.Module):
    """A backbone of timm without its last layer, and a linear classifier."""

    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

    def __init__(self):
        super().__init__()
        self.featurizer = timm.models.MlpMixer(
            num_classes=0, img_size=size, patch_size=size // 4, num_blocks=3, embed_dim=96
        )
        self.classifier = nn.Linear(96, 10)

    def forward(self, images):
        """Logits of a batch of normalised images."""
        return self.classifier(self.featurizer(images))


# %% [markdown]
# ## Your loader and your loop
#
# Three state dicts are kept: at the start, at the end, and the average over the last third of the steps.
#
# This network has layer norm. If yours has batch norm, call `torch.optim.swa_utils.update_bn` before you keep an
# average, and give `Surface.through` the option `recipe=Recipe(batch_norm="recomputed")`: running statistics fit no
# weights but their own.

# %%
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset


def tensors(rows):
    """Normalised images, labels and domains of some rows."""
    pixels = torch.from_numpy(images.pixels[rows]).permute(0, 3, 1, 2).float() / 255
    return TensorDataset(
        (pixels - 0.5) / 0.25, torch.from_numpy(images.labels[rows]), torch.from_numpy(images.domain[rows])
    )


torch.manual_seed(0)
model = Digits()
start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
swa = torch.optim.swa_utils.AveragedModel(model, use_buffers=True)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
train_set = tensors(task.source_rows("in"))
batches = iter(DataLoader(train_set, batch_size=64, sampler=torch.randint(len(train_set), (64 * steps,)).tolist()))
for step in range(steps):
    inputs, targets, _ = next(batches)
    loss = cross_entropy(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step >= 2 * steps // 3:
        swa.update_parameters(model)
end = {name: tensor.clone() for name, tensor in model.state_dict().items()}
average = {name: tensor.clone() for name, tensor in swa.module.state_dict().items()}
print(f"loss of the last batch {loss.item():.3f}")

# %% [markdown]
# ## A surface
#
# Weights are given as plain mappings, the network as a module, the data as a task.

# %%
from landscape import Surface
from landscape.surface.recipe import Where

surface = Surface.through(start, end, average, data=task, network=model, where=Where(points=points), progress=False)
figure = surface.plot()

# %% [markdown]
# ## Flatness and curvature, with your own loader
#
# A module, a loss, a loader of pairs in a fixed order. The module is borrowed: it comes back as it was.

# %%
from landscape import Curvature, FlatnessCurve
from landscape.flatness import recipe as flatness

sample = tensors(np.random.default_rng(0).choice(task.source_rows("in"), 128, replace=False))
loader = DataLoader(TensorDataset(*sample.tensors[:2]), batch_size=64)
curves, bends, gammas = {}, {}, None
for name, weights in (("last weights", end), ("average", average)):
    model.load_state_dict(weights)
    model.train()
    recipe = flatness.Recipe(gammas, directions=directions, steps=4)
    curves[name] = FlatnessCurve.measure(model, cross_entropy, loader, recipe, method=name, progress=False)
    gammas = tuple(curves[name].gamma[1:])  # the pilot chooses for the first, the second gets the same
    bends[name] = Curvature.measure(model, nn.CrossEntropyLoss(), loader, scope="classifier", top=1)
    assert model.training
    assert all(torch.equal(tensor, weights[key]) for key, tensor in model.state_dict().items())

print("Hessian of the classifier's weights")
for name, bend in bends.items():
    print(f"  {name:14}largest eigenvalue {bend.eigenvalues[0]:.2f}, trace {bend.trace:.2f}")

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 2, figsize=(6.75, 2.4), layout="constrained", sharey=True)
for ax, (name, curve) in zip(axes, curves.items(), strict=True):
    curve.plot(ax, title=name)
label = axes[1].set_ylabel("")

# %% [markdown]
# ## Codes
#
# For an embedding the loader gives domains too. Its random interpolations are the only mixup here: a policy needs a run
# of FGMix.

# %%
from landscape import Embedding
from landscape.embedding import Recipe
from landscape.plots import plot_embedding

rows = np.sort(np.random.default_rng(1).choice(len(images), min(600, len(images)), replace=False))
with_names = [(x, y, [images.domains[d] for d in z]) for x, y, z in DataLoader(tensors(rows), batch_size=200)]
embedding = Embedding.fit(model, with_names, target="tilted60", recipe=Recipe(dimensions=()), progress=False)
figure, axes = plt.subplots(1, 2, figsize=(6.75, 3.3), layout="constrained")
for ax, by in zip(axes, ("class", "domain"), strict=True):
    plot_embedding(embedding, ax, by=by, title=f"by {by}")

# %%
table = embedding.tables().query("pool == 'all domains'").set_index("measure")
table[["value", "low", "high", "n"]].round(3)

# %% [markdown]
# ## The claim
#
# The same directions, the same distances, the same images: the difference is paired by direction.

# %%
from scipy import stats

pairs = curves["average"].values()[-1] - curves["last weights"].values()[-1]
low, high = stats.bootstrap((pairs,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
verdict = "supported" if high < 0 else "not supported" if low > 0 else "undecided"
print("claim: the average of the last weights is a flatter point than the last weights")
print(f"squared rise at gamma = {gammas[-1]:.3g}, average - last, {len(pairs)} directions, in nat^2")
print(f"  {pairs.mean():+.4f}, 95 % interval over directions [{low:+.4f}, {high:+.4f}]")
print(f"verdict: {verdict}, for this run of {steps} steps (one seed; over directions, not over trainings)")
scratch.cleanup()
