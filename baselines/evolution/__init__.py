"""Evolution strategies and the CMA-ES core that several algorithms share."""
