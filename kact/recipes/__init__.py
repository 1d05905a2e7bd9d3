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
    """Return the file that `--config` names: a path, that of a run's directory, or where there is neither a recipe.

    Example:
        >>> config_path("tweets-window").name
        'tweets-window.toml'
    """
    path = Path(given) / "experiment.toml" if Path(given).is_dir() else Path(given)
    recipe = _FOLDER / f"{given}.toml"
    return recipe if not path.exists() and given in recipe_names() else path
