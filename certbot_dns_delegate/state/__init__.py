"""What this host keeps on disk: journals, history, locks and the rules for trusted files."""
