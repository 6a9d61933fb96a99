"""Sweeps: a list of recipes, each run once, on this machine or on a Ray cluster, through any crash."""
