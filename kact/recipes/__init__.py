"""Recipes: experiments that are ready to train, `kact train --config tweets-bilstm`.

Each is a TOML file with the command, the hardware, the seconds and the scores to expect in its header.

>>> "tweets-bilstm" in recipe_names()
True
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def recipe_names() -> list[str]:
    """Return the names of all recipes."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def config_path(given: str) -> Path:
    """Return the file that `--config` names: a path, or where there is none such a recipe.

    Example:
        >>> config_path("tweets-window").name
        'tweets-window.toml'
    """
    recipe = _FOLDER / f"{given}.toml"
    return recipe if not Path(given).exists() and given in recipe_names() else Path(given)
