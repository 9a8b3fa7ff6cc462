"""Recipes over files: one case, a cohort, and checking what was recorded."""
