"""`kact list`: show what there is to choose from."""

from typing import Annotated

from kact.flags import Flag, call


def main(arguments: list[str]) -> int:
    """Run `kact list` and return its exit code."""

    def list_(
        what: Annotated[
            str,
            Flag(
                "activations, models, presets, tasks, recipes, optimizers, schedules or initializers",
                "WHAT",
                positional=True,
            ),
        ],
    ) -> int:
        """Show what there is to choose from."""
        from kact.describe import print_list

        print_list(what)
        return 0

    return call(list_, arguments, "kact list")
