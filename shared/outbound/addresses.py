"""Which IP addresses are the public Internet. Pure; stricter than Python's ``is_global``, which differs by version.

Sources: the IANA special-purpose registries for IPv4 and IPv6, RFC 6052, 5214, and 168.63.129.16,
a public address at which Azure serves its hosts' configuration.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address

REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

# All of global unicast that IANA has given out. Everything else is refused by not being in it:
# ::/96, mapped and translated IPv4, 64:ff9b::/96, 64:ff9b:1::/48, 100::/64, 5f00::/16, fc00::/7,
# fe80::/10, fec0::/10, ff00::/8.
GLOBAL_V6 = IPv6Network("2000::/3")
REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3ffe::/16",  # 6bone
        "3fff::/20",
    )
)


def is_public(address: IPAddress) -> bool:
    """Whether ``address`` is plain global unicast, and so is any IPv4 address inside it."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in REFUSED_V4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address.scope_id is not None or address not in GLOBAL_V6 or not address.is_global:
        return False
    if any(address in network for network in REFUSED_V6):
        return False
    inner = _isatap(address)
    return inner is None or is_public(inner)


def _isatap(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address an ISATAP interface id (RFC 5214) carries in its last 32 bits."""
    # The bit left out says "globally unique": 0000:5efe and 0200:5efe both mark ISATAP.
    if (int(address) >> 32) & 0xFDFF_FFFF != 0x0000_5EFE:
        return None
    return IPv4Address(int(address) & 0xFFFF_FFFF)
