"""`kact list`: show what there is to choose from."""

from typing import Annotated


def main(arguments: list[str]) -> int:
    """Run `kact list` and return its exit code."""
    import tyro

    def list_(
        what: Annotated[
            str,
            tyro.conf.Positional,
            tyro.conf.arg(
                metavar="WHAT",
                help="activations, models, presets, tasks, recipes, optimizers, schedules or initializers",
            ),
        ],
    ) -> int:
        """Show what there is to choose from."""
        from kact.describe import print_list

        print_list(what)
        return 0

    return tyro.cli(list_, args=arguments, prog="kact list")
