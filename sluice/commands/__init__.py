"""The commands of `sluice`, a file per group: `add_to` declares them, the rest carries them out."""
