"""Which addresses an image may be downloaded from."""

from __future__ import annotations

from ipaddress import ip_address

from bot.glm.transport import is_public

PUBLIC = "8.8.8.8 106.75.0.1 168.63.129.17 2400:3200::1 64:ff9b::808:808 2002:808:808::1"

# Loopback, private, link-local, shared, multicast, reserved, documentation and metadata addresses, wrapped ones too.
OTHERS = """
127.0.0.1 127.8.8.8 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 169.254.170.2 100.64.0.1 100.100.100.200
192.0.0.1 192.0.0.9 192.0.0.192 192.88.99.1 198.18.0.1 203.0.113.5 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
168.63.129.16 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:168.63.129.16
::ffff:0:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a83f:8110 64:ff9b:1::a00:1 2002:7f00:1:: 2002:a00:1:: 2002:a83f:8110::1
2001:0:808:808::1 2001:0:a83f:8110::f7f7:f7f7 2001:db8::1 2400:3200::5efe:10.0.0.1 2400:3200::200:5efe:a00:1 3fff::1
5f00::1 fc00::1 fd00:ec2::254 fd12:3456::1 fd20:ce::254 fe80::1 fe80::1%1 fec0::1 ff02::1
"""


def test_only_public_addresses_are_allowed() -> None:
    assert [address for address in PUBLIC.split() if not is_public(ip_address(address))] == []
    assert [address for address in OTHERS.split() if is_public(ip_address(address))] == []
