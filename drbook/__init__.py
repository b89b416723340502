"""drbook leads an on-call engineer through disaster recovery, one recorded step at a time."""

__version__ = "0.1.0"
