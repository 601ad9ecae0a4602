"""Import layers of pyproject.toml; `make check` holds that imports follow them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOT_IMPORTED = {"bot.__init__", "handlers.__init__"}


def test_layers_name_every_top_level_module_once() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = [contract["layers"] for contract in config["contracts"] if contract["type"] == "layers"]
    named = [name for layer in layers for name in re.split(r"\s*[|:]\s*", layer)]
    paths = [path for folder in config["root_packages"] for path in (ROOT / folder).iterdir()]
    modules = {
        f"{path.parent.name}.{path.stem}"
        for path in paths
        if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))
    }
    assert sorted(named) == sorted(modules - NOT_IMPORTED)
