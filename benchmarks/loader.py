"""Images a second: our minibatches against torchvision's ImageFolder + DataLoader, same images, same augmentation.

    OMP_NUM_THREADS=1 python benchmarks/loader.py
    OMP_NUM_THREADS=1 python benchmarks/loader.py --size 224 --batches 5

Both sides give normalised float batches of three source domains. The baseline is DomainBed's way: one ImageFolder and
one DataLoader a domain over image files (here of SixStyles, PNG, already of the training size, so that it neither
decodes nor shrinks larger pictures), a sampler with replacement, and the augmentation through torchvision's classes.
Ours reads the decoded cache. Measured after a first pass: files and cache lie in memory. Workers are kept alive and
their start is not counted.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from rounds import compare
from torch.utils.data import DataLoader, RandomSampler
from torchvision import transforms
from torchvision.datasets import ImageFolder

from landscape.config import RunConfig
from landscape.data import Minibatches, Task, open_task

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def write_files(task: Task, folder: Path) -> None:
    images = task.images
    for source in task.sources:
        for row in task.rows(source, "in"):
            file = folder / source / images.classes[images.labels[row]] / f"{row}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images.pixels[row]).save(file)


def plain_loader(folder: Path, size: int, batch_size: int, workers: int) -> Iterator[list[torch.Tensor]]:
    augmentation = transforms.Compose(
        [
            transforms.RandomResizedCrop(size, scale=(0.7, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ColorJitter(0.3, 0.3, 0.3, 0.3),
            transforms.RandomGrayscale(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    loaders = []
    for domain in sorted(folder.iterdir()):
        dataset = ImageFolder(str(domain), augmentation)
        sampler = RandomSampler(dataset, replacement=True, num_samples=10**9)
        loaders.append(iter(DataLoader(dataset, batch_size, sampler=sampler, num_workers=workers)))
    while True:
        yield [next(loader)[0] for loader in loaders]


def timed(batches: Iterator[object], count: int, images: int, *, ahead: int = 0) -> Callable[[], float]:
    """Seconds per image over the next `count` batches.

    Workers went on to prepare `ahead` batches while others were timed: those are taken before the clock starts, and
    the workers get the time to prepare the next ones before anybody else is timed.
    """

    def run() -> float:
        for _ in itertools.islice(batches, ahead):
            pass
        start = time.perf_counter()
        for _ in itertools.islice(batches, count):
            pass
        seconds = time.perf_counter() - start
        time.sleep(1.5 * ahead * seconds / count)
        return seconds / (count * images)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="side of the images in pixels")
    parser.add_argument("--batch-size", type=int, default=32, help="images per domain and step")
    parser.add_argument("--batches", type=int, default=20, help="steps timed in each round")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds")
    options = parser.parse_args()

    task = open_task(RunConfig(image_size=options.size))
    per_step = options.batch_size * len(task.sources)

    def ours(augmentation: Literal["domainbed", "affine"]) -> Callable[[], float]:
        batches = Minibatches(
            task, batch_size=options.batch_size, seed=0, mean=MEAN, std=STD, augmentation=augmentation
        )
        return timed(map(batches.at, itertools.count()), options.batches, per_step)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_files(task, folder)

        def plain(workers: int) -> Callable[[], float]:
            batches = plain_loader(folder, options.size, options.batch_size, workers)
            return timed(batches, options.batches, per_step, ahead=2 * workers)

        result = compare(
            {
                "ImageFolder, no workers": plain(0),
                "ImageFolder, 2 workers a domain": plain(2),
                "landscape, domainbed": ours("domainbed"),
                "landscape, affine": ours("affine"),
            },
            options.rounds,
        )
    print(f"{len(task.sources)} domains x {options.batch_size} images of {options.size} px a step")
    print(f"torch threads: {torch.get_num_threads()}\n")
    print(result.table("image"))


if __name__ == "__main__":
    main()
