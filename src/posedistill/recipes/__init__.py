"""Recipes: complete training runs as functions, by name."""

from posedistill.recipes.table import RECIPES, get

__all__ = ["RECIPES", "get"]
