"""Two lists, WeChat Pay's and ours, and every fen on which they differ."""
