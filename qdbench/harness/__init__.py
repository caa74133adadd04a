"""The harness: it runs trials, counts evaluations, keeps the score and stores results."""
