"""Games of MinAtar (Young & Tian 2019), written for evaluation in large batches; one game a file."""
