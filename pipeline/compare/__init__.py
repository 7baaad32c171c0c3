"""Image classifiers against baselines on the same folds."""
