"""The commands of `kact` that have no package of their own, a module each: flags in, an exit code out."""
