//! The table, row by row: what is inside beside what is just outside.

use netaddr::{Allowed, is_private};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[test]
fn address_of_a_special_range_is_private_and_its_neighbour_is_public() {
    for (private, public) in [
        ("0.0.0.0", "1.0.0.0"),
        ("0.255.255.255", "1.1.1.1"),
        ("10.0.0.0", "9.255.255.255"),
        ("10.255.255.255", "11.0.0.0"),
        ("100.64.0.0", "100.63.255.255"),
        ("100.127.255.255", "100.128.0.0"),
        ("127.0.0.53", "126.255.255.255"),
        ("127.255.255.255", "128.0.0.0"),
        ("169.254.169.254", "169.253.255.255"),
        ("172.16.0.0", "172.15.255.255"),
        ("172.31.255.255", "172.32.0.0"),
        ("192.0.0.8", "192.0.1.0"),
        ("192.0.2.1", "192.0.3.0"),
        ("192.88.99.1", "192.88.100.0"),
        ("192.168.255.255", "192.169.0.0"),
        ("198.18.0.0", "198.17.255.255"),
        ("198.19.255.255", "198.20.0.0"),
        ("198.51.100.7", "198.51.101.0"),
        ("203.0.113.7", "203.0.114.0"),
        ("224.0.0.251", "223.255.255.255"),
        ("240.0.0.1", "8.8.8.8"),
        ("255.255.255.255", "193.0.0.1"),
        ("::", "2000::1"),
        ("::1", "2606:4700::1111"),
        ("::7f00:1", "2a00::1"),
        ("100::1", "2001:200::1"),
        ("100:0:0:1::1", "2001:4860:4860::8888"),
        ("2001:2::1", "2400::1"),
        ("2001:db8::1", "2001:db9::1"),
        ("3fff:fff::1", "3ffe::1"),
        ("5f00::1", "2620:fe::fe"),
        ("fc00::1", "2003::1"),
        ("fdff:ffff::1", "2c0f::1"),
        ("fe80::1", "2a02::1"),
        ("fec0::1", "2a03::1"),
        ("ff02::1", "2a04::1"),
        ("4000::1", "3ffd::1"),
    ] {
        assert!(is_private(private.parse().unwrap()), "{private} is private");
        assert!(!is_private(public.parse().unwrap()), "{public} is public");
    }
}

#[test]
fn ipv6_address_with_an_ipv4_inside_is_judged_by_it() {
    for (private, public, form) in [
        ("::ffff:10.0.0.1", "::ffff:8.8.8.8", "mapped"),
        ("::ffff:198.18.0.1", "::ffff:198.20.0.1", "mapped"),
        ("64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8", "NAT64"),
        ("64:ff9b::169.254.169.254", "64:ff9b::1.1.1.1", "NAT64"),
        ("64:ff9b:1::10.0.0.1", "64:ff9b:1::8.8.8.8", "local NAT64, /96"),
        ("64:ff9b:1:a00:0:100::", "64:ff9b:1:808:8:800::", "local NAT64, /48"),
        ("64:ff9b:1:a00:0:100:808:808", "64:ff9b:1:808:8:808:808:808", "local NAT64, /48 with a suffix"),
        ("64:ff9b:1:0:a:0:100:0", "64:ff9b:1:0:8:808:800:0", "local NAT64, /64"),
        ("64:ff9b:1::", "64:ff9b:1::1.1.1.1", "local NAT64 with nothing in it"),
        ("64:ff9b:2::8.8.8.8", "64:ff9b::8.8.4.4", "not a NAT64 prefix"),
        ("2002:a00:1::1", "2002:808:808::1", "6to4"),
        ("2002:7f00:1::", "2002:101:101::", "6to4"),
        // The client is 10.0.0.1 and 8.8.4.4, inverted.
        ("2001:0:808:808::f5ff:fffe", "2001:0:808:808::f7f7:fbfb", "Teredo client"),
        ("2001:0:a00:1::f7f7:fbfb", "2001:0:101:101::f7f7:fbfb", "Teredo server"),
    ] {
        assert!(is_private(private.parse().unwrap()), "{private}, {form}");
        assert!(!is_private(public.parse().unwrap()), "{public}, {form}");
    }
}

#[test]
fn allowed_network_permits_its_addresses_in_every_form() {
    let allowed: Allowed = ["10.0.0.0/8", "fd12::/16"].into_iter().map(|net| net.parse().unwrap()).collect();
    for (address, permitted) in [
        ("8.8.8.8", true),
        ("2a00::1", true),
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("64:ff9b::10.1.2.3", true),
        ("64:ff9b:1::10.1.2.3", true),
        ("2002:a01:203::1", true),
        ("fd12::1", true),
        ("192.168.0.1", false),
        ("64:ff9b::192.168.0.1", false),
        ("fd13::1", false),
        // A Teredo server that is allowed does not permit a client that is not (192.168.0.1, inverted).
        ("2001:0:a00:1::3f57:fffe", false),
    ] {
        assert_eq!(allowed.permits(address.parse().unwrap()), permitted, "{address}");
    }
    let whole: Allowed = ["64:ff9b::/96".parse().unwrap()].into_iter().collect();
    assert!(whole.permits("64:ff9b::10.0.0.1".parse().unwrap()), "listed as it is written");
    assert!(!whole.permits("10.0.0.1".parse().unwrap()));
}

proptest! {
    #[test]
    fn every_embedding_agrees_with_the_ipv4_address(bits in any::<u32>()) {
        let four = Ipv4Addr::from_bits(bits);
        let wanted = is_private(IpAddr::V4(four));
        let at = |high: u128, shift: u32| IpAddr::V6(Ipv6Addr::from_bits(high | u128::from(bits) << shift));
        prop_assert_eq!(is_private(IpAddr::V6(four.to_ipv6_mapped())), wanted);
        prop_assert_eq!(is_private(at(0x0064_ff9b << 96, 0)), wanted);
        prop_assert_eq!(is_private(at(0x2002 << 112, 80)), wanted);
    }

    #[test]
    fn nothing_is_allowed_that_is_private_and_not_listed(bits in any::<u128>()) {
        let address = IpAddr::V6(Ipv6Addr::from_bits(bits));
        prop_assert_eq!(Allowed::default().permits(address), !is_private(address));
    }
}
