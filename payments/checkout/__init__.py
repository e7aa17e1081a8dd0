"""The payer's page and where the openid comes from."""

from payments.checkout import pages as pages
from payments.checkout import tickets as tickets
from payments.checkout.entry import init_checkout as init_checkout
