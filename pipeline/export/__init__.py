"""One ONNX file that holds preprocessing and network."""
