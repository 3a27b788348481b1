"""Building the training set of the detector, training it, and probing the set for shortcuts."""
