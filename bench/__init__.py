"""What Sluice costs beside its peers, on the same work: `make bench`. docs/bench.md explains."""
