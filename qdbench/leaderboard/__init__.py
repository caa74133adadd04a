"""Leaderboards: a pure function of stored trial results, rebuilt offline to the same bytes every time."""
