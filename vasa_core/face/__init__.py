"""Faces: finding them, describing them, and the space in which they move."""
