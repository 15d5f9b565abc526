"""Named domains in, per-domain minibatches out.

    images = load_images("sixstyles", size=64)              # pixels, labels, domains, concepts
    task = Task(images, split_images(images, seed=0), "sketch")
    batch = Minibatches(task, batch_size=32, seed=0, mean=mean, std=std).at(1)

Names are loaded when they are first used: listing and decoding images needs no torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
