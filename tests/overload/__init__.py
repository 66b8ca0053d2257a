"""More is asked than the workers can do: what is answered, what is told to come back, and who waits for whom."""
