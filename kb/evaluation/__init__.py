"""Labelled questions through the real engine, and what the results are worth."""
