"""A PAS and a receiver as real TCP peers: product code of their own, which knows nothing of the mirror."""
