"""What kact keeps on disk: whole `files`, `seals` against damage, the `structure` expected of one, `downloads`."""
