"""The product as people run it: real processes, real services, other people's senders."""
