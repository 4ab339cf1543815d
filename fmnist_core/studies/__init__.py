"""Questions asked of several runs: seeds, sweeps, cross-validation, judgements of labels."""
