"""Few-shot augmentation: transfer, merge and neuron-focused fine-tuning of a trained detector."""
