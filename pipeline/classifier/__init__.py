"""Training, cross-validation, the saved classifier and its model card."""
