"""The demo: a provider with sub-merchants, people, keys and three days of trade to look at.

Nothing is faked. Orders of every way to pay and refunds go through the real use cases to a running
simulator, whose clock is moved together with ours; its notifications come back over HTTP and are
verified; one is lost on purpose and healed by the sweep; bills are fetched and reconciled, one of
them with a payment too many. Some things are left open, and a checkout link waits to be paid.
"""

from payments.demo.command import demo

__all__ = ["demo"]
