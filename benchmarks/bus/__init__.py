"""What the bus itself costs: three stages that do nothing, over JetStream, against other ways to build such a chain."""
