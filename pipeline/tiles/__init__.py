"""Rendering items to tiles, engines, the store, export formats, loaders."""
