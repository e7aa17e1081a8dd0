"""WeChat Pay's partner side in a process: for development, for tests, for any SDK in any language.

`Simulator` holds one world (keys, ledger, clock, faults, notifications) and `Simulator.app` serves
it; `python -m partner.simulator` puts that behind a port. It is written apart from
`partner.wechatpay` on purpose: two programs that share their signing code agree even where both
are wrong.
"""

from partner.simulator.adapter import WsgiAdapter
from partner.simulator.simulator import Simulator

__all__ = ["Simulator", "WsgiAdapter"]
