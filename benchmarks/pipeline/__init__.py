"""Whole turns with real models: voicebus and its peers, interleaved in one run."""
