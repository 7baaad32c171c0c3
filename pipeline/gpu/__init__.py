"""The same images, drawn on a device."""
