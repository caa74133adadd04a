"""Latent space illumination: generators and CLIP in JAX, and the tasks that search a generator's latent space."""
