"""Rewriting what older versions of Sluice have left; docs/formats.md."""
