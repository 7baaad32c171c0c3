"""Signal processing of sound: framing, spectra, levels, mixing, resampling."""
