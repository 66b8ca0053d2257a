"""What voicebus costs and how fast it is, beside its peers."""
