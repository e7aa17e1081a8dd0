"""The WeChat Pay API v3 client: signs, sends, verifies, decrypts. It knows nothing else.

Pure on purpose: no Flask, no database, no settings, and no key file is ever opened here. Whoever
composes the platform hands in key objects, one HTTP session and a clock, so that the same code
serves production, the simulator and the published test vectors.
"""
