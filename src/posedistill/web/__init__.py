"""Poses over HTTP: a page, an interface for programs, and frames of a camera."""
