"""The services of voicebus: one folder a container, and `runtime` and `cli`, which are none."""
