"""The BBOB functions with COCO's instances: exact, batched and differentiable."""
