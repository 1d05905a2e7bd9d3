"""Words for networks: how a token is normalised, which of its features are looked up, and the file that holds them."""
