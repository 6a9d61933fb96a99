"""Readers of what other programs log: W&B, MLflow, the Hugging Face Trainer, and isoglot's own folders.

A reader turns its source into a `Harvest`: one row a (run, step), columns named as the source names them. It
knows files and formats, nothing of laws or languages; the mapping to the run table is the caller's.
"""
