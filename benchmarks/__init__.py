"""Measures the budgets of the design as ratios: see README.md."""
