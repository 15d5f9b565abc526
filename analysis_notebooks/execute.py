"""Run the notebooks top to bottom and keep their outputs: ``python analysis_notebooks/execute.py [NAME ...]``.

Of each pair the ``.py`` file is the source: the ``.ipynb`` is made from it, executed, and written only if
every cell went through. The same code gives the same file: no times, no versions, no progress bars.
"""

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

FOLDER = Path(__file__).resolve().parent
SECONDS = 900  # a cell may have to train the two runs first


def sources() -> list[Path]:
    """The notebooks as scripts, in order."""
    return sorted(FOLDER.glob("[0-9]*.py"))


def read(source: Path, parameters: str = "") -> NotebookNode:
    """The notebook of a script, without outputs; `parameters` go into a cell behind the one with that tag."""
    notebook = jupytext.read(source)
    if parameters:
        tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
        notebook.cells.insert(tags.index(["parameters"]) + 1, nbformat.v4.new_code_cell(parameters))
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index:02}"  # random otherwise
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["jupytext"] = {"formats": "ipynb,py:percent"}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(notebook: NotebookNode, folder: Path = FOLDER) -> str:
    """Run every cell in a kernel that works in `folder`; returns what went to stderr.

    Raises:
        CellExecutionError: a cell failed.
    """
    # Without ipywidgets tqdm draws its bars as text, and says so.
    environment = os.environ | {"PYTHONWARNINGS": "ignore:IProgress not found"}
    environment.pop("MPLBACKEND", None)  # the kernel's own backend puts figures into the notebook
    with TemporaryDirectory() as sockets:  # files in place of open ports
        client = NotebookClient(
            notebook,
            timeout=SECONDS,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(folder)}},
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
        )
        client.execute(env=environment)
    said = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            said += [o.text for o in cell.outputs if o.get("name") == "stderr"]
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if len(output.get("data", {})) > 1:
                    output.data.pop("text/plain", None)  # where there is a table or a picture
    notebook.metadata["language_info"] = {"name": "python"}  # the kernel wrote its version
    return "".join(said)


def main(names: Iterable[str]) -> None:
    """Execute the named notebooks (by the beginning of their names), or all."""
    wanted = tuple(names) or ("",)
    for source in sources():
        if source.name.startswith(wanted):
            began = time.perf_counter()
            notebook = read(source)
            print(execute(notebook), end="", file=sys.stderr)
            nbformat.write(notebook, source.with_suffix(".ipynb"))
            print(f"{source.stem}: {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
