"""As much of flash-attn as OpenRLHF imports whether it uses it or not."""

__version__ = "2.8.3"
