"""Time series on disk: text, NumPy, Parquet, UCR and UEA archives."""
