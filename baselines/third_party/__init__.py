"""Other packages' optimizers behind the protocol, to compare with. Each needs its package; none is registered."""
