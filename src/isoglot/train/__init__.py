"""Training: model, deterministic multilingual loader, loop, evaluation by language, probes, checkpoints."""
