"""Who we are to WeChat Pay, and how we talk to it."""
