"""The Weixin open platform, where a payer's openid comes from.

Pure, as the client of WeChat Pay: hosts, secrets and connections are handed in.
"""
