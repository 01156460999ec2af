"""Anomaly detection with fitted autoencoders and linear baselines."""
