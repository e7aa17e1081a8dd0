"""Weixin's open platform."""
