"""WeChat Pay's calls to us: verified, kept, applied once, answered."""
