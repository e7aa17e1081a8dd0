"""One room per family of WeChat Pay calls; each turns typed arguments into wire bytes and back."""
