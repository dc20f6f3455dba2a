"""Float training: a network in torch is overfitted to a clip. Nothing here quantises."""
