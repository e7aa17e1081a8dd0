"""The demo: a provider with sub-merchants, people, keys and three days of trade to look at.

Nothing is faked. Orders go through the real use case to a running simulator, whose clock is moved
together with ours; its notifications come back over HTTP and are verified; one is lost on purpose
and healed by the sweep; bills are fetched and reconciled, one of them with a payment too many.
"""

from payments.demo.command import demo

__all__ = ["demo"]
