"""Training of networks by fastai."""
