"""What all kinds share: signals, images and their axes, the converter base, parameters, files, errors."""
