"""Recipes: complete training runs as functions, by name."""

from posedistill.recipes.table import RECIPES, get, launch_lines

__all__ = ["RECIPES", "get", "launch_lines"]
