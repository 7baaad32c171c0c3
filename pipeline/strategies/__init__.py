"""What is fitted: probe, head, finetune, scratch, ensembles, and the choice between them."""
