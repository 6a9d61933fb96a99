"""The campaign: measured runs that later studies of transfer, capacity, crossover and imbalance stand on; see README.md."""
