"""Sequences of any length: the one data type, the checks that keep it true, and per-channel scaling."""
