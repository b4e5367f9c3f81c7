"""A new provider: what is asked about it, the files it takes, and whether it keeps the contract. Behind `insights provider`."""
