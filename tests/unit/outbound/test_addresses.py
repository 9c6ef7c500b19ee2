"""Which addresses count as the public Internet."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.outbound.addresses import REFUSED_V4, is_public

REFUSED = [
    "0.0.0.0",  # noqa: S104 - an address to refuse, not to bind
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:127.0.0.1",
    "3ffe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
    "2606:4700:4700::1111%1",
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "168.63.129.15",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2606:4700::5efe:8.8.8.8",
    "2a00:1450:4001::200e",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_plain_global_unicast_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_global_unicast_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses())
def test_nothing_python_calls_not_global_is_public(address: IPv4Address | IPv6Address) -> None:
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if not (inner or address).is_global:
        assert not is_public(address)


@given(st.sampled_from(REFUSED_V4).flatmap(lambda network: st.ip_addresses(network=network)))
def test_no_wrapping_in_ipv6_makes_a_refused_ipv4_address_public(inner: IPv4Address | IPv6Address) -> None:
    low = int(inner)
    for wrapped in (
        (0xFFFF << 32) | low,  # mapped
        low,  # compatible
        (0xFFFF << 48) | low,  # translated
        (0x64FF9B << 96) | low,  # NAT64
        (0x64FF9B0001 << 80) | low,  # NAT64, local prefix
        (0x2002 << 112) | (low << 80),  # 6to4
        (0x2001 << 112) | (low ^ 0xFFFFFFFF),  # Teredo
        (0x20010470 << 96) | (0x5EFE << 32) | low,  # ISATAP
        (0x20010470 << 96) | (0x2005EFE << 32) | low,  # ISATAP, universal bit
    ):
        assert not is_public(IPv6Address(wrapped)), IPv6Address(wrapped)


@given(st.ip_addresses(v=6))
def test_ipv6_outside_of_the_allocated_unicast_block_is_public_only_as_mapped_ipv4(
    address: IPv4Address | IPv6Address,
) -> None:
    assert isinstance(address, IPv6Address)
    if int(address) >> 125 != 1 and address.ipv4_mapped is None:
        assert not is_public(address)
