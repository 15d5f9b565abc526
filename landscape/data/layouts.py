"""The data sets of DomainBed, in the folders that its download script makes.

Folder names, domain folders and short domain names follow facebookresearch/DomainBed (``datasets.py``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from landscape.data.folders import list_domain_folders, subfolders
from landscape.data.listing import Listing, choose_domains
from landscape.errors import InputError


@dataclass(frozen=True)
class Layout:
    """Where a data set lies below the data folder, and where it comes from."""

    title: str
    folder: str
    domains: Mapping[str, str]
    """Domain folder -> DomainBed's short name."""
    example: str
    """A class folder."""
    source: str
    """Paper and home page, in words."""


LAYOUTS: dict[str, Layout] = {
    "pacs": Layout(
        "PACS",
        "PACS",
        {"art_painting": "A", "cartoon": "C", "photo": "P", "sketch": "S"},
        "dog",
        'Li et al., "Deeper, Broader and Artier Domain Generalization" (ICCV 2017), project page at the SketchX lab',
    ),
    "vlcs": Layout(
        "VLCS",
        "VLCS",
        {"Caltech101": "C", "LabelMe": "L", "SUN09": "S", "VOC2007": "V"},
        "bird",
        'Fang et al., "Unbiased Metric Learning" (ICCV 2013)',
    ),
    "officehome": Layout(
        "OfficeHome",
        "office_home",
        {"Art": "A", "Clipart": "C", "Product": "P", "Real World": "R"},
        "Alarm_Clock",
        'Venkateswara et al., "Deep Hashing Network for Unsupervised Domain Adaptation" (CVPR 2017), '
        "home page of the Office-Home dataset",
    ),
    "terraincognita": Layout(
        "TerraIncognita",
        "terra_incognita",
        {"location_100": "L100", "location_38": "L38", "location_43": "L43", "location_46": "L46"},
        "bobcat",
        'Beery et al., "Recognition in Terra Incognita" (ECCV 2018), Caltech Camera Traps at LILA BC',
    ),
    "domainnet": Layout(
        "DomainNet",
        "domain_net",
        {
            "clipart": "clip",
            "infograph": "info",
            "painting": "paint",
            "quickdraw": "quick",
            "real": "real",
            "sketch": "sketch",
        },
        "airplane",
        'Peng et al., "Moment Matching for Multi-Source Domain Adaptation" (ICCV 2019), home page of DomainNet at '
        "Boston University (the cleaned version)",
    ),
}


def list_layout(data: str, data_dir: Path | str | None, domains: Sequence[str] = ()) -> Listing:
    """The images of a DomainBed data set below `data_dir`, for example ``data_dir/PACS/photo/dog/1.jpg``.

    Domains may be given by folder name or by DomainBed's short name. Folders that are no domains of the
    data set are ignored (DomainBed takes them for domains).

    Raises:
        InputError: no data folder (with the expected tree and where the data comes from), an empty class
            folder, an unknown domain.
    """
    layout = LAYOUTS[data]
    if data_dir is None:
        raise InputError(f"--data {data} needs --data-dir, the folder that holds {layout.folder}/.\n{_help(layout)}")
    data_dir = Path(data_dir).expanduser()
    root = data_dir / layout.folder
    names = tuple(layout.domains)
    if not root.is_dir() and all((data_dir / name).is_dir() for name in names):
        root = data_dir  # the data set's own folder was given
    aliases = {short: name for name, short in layout.domains.items()}
    used = choose_domains(domains, names, names, aliases)
    if not root.is_dir():
        raise InputError(f"there is no data folder {root}.\n{_help(layout, data_dir)}")
    for name in used:
        if not (root / name).is_dir():
            found = ", ".join(subfolders(root)) or "no folders"
            raise InputError(f"the domain folder {root / name} is missing (found: {found}).\n{_help(layout, data_dir)}")
    return list_domain_folders(data, root, names, used, aliases)


def full_domain_name(data: str, domain: str) -> str:
    """The folder name behind one of DomainBed's short domain names ("S" of pacs is "sketch"), else the name as given.

    Reads no files, so a run's folder can be named before its data is opened.
    """
    layout = LAYOUTS.get(data.lower())
    if layout is not None:
        for name, short in layout.domains.items():
            if domain == short:
                return name
    return domain


def _help(layout: Layout, data_dir: Path | str = "DATA_DIR") -> str:
    tree = "\n".join(f"  {data_dir}/{layout.folder}/{name}/{layout.example}/*.jpg" for name in layout.domains)
    return (
        f"Expected, with all classes beside {layout.example!r}:\n{tree}\n"
        f"{layout.title} comes from {layout.source}. DomainBed's download script makes this layout: "
        f"python -m domainbed.scripts.download --data_dir={data_dir}"
    )
