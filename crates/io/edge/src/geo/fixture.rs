//! Writes small mmdb files for tests, after the MaxMind DB file format specification, version 2.0.

use ipnet::IpNet;
use std::net::IpAddr;

/// A value of a record.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Short(u16),
    Number(u32),
    Long(u64),
    Map(Vec<(String, Value)>),
    List(Vec<Value>),
}

pub(super) fn maxmind_country(code: &str) -> Value {
    let names = Value::Map(vec![("en".to_owned(), Value::Text("somewhere".to_owned()))]);
    let number = ("geoname_id".to_owned(), Value::Number(453_733));
    let country = Value::Map(vec![
        number,
        ("iso_code".to_owned(), Value::Text(code.to_owned())),
        ("names".to_owned(), names),
    ]);
    Value::Map(vec![
        ("continent".to_owned(), Value::Map(vec![("code".to_owned(), Value::Text("EU".to_owned()))])),
        ("country".to_owned(), country),
        ("subdivisions".to_owned(), Value::List(vec![Value::Text("none".to_owned())])),
    ])
}

pub(super) fn maxmind_asn(number: u32) -> Value {
    Value::Map(vec![
        ("autonomous_system_number".to_owned(), Value::Number(number)),
        ("autonomous_system_organization".to_owned(), Value::Text("Example".to_owned())),
    ])
}

pub(super) fn flat_country(code: &str, asn: &str) -> Value {
    Value::Map(vec![
        ("country".to_owned(), Value::Text(code.to_owned())),
        ("asn".to_owned(), Value::Text(asn.to_owned())),
        ("as_name".to_owned(), Value::Text("Example".to_owned())),
    ])
}

#[derive(Clone, Copy)]
enum Leaf {
    Nothing,
    Node(usize),
    Data(usize),
}

/// A whole file: an IPv6 tree with IPv4 beneath ::/96 and records of 24 bits.
pub(super) fn mmdb(networks: &[(&str, Value)]) -> Vec<u8> {
    let mut nodes = vec![[Leaf::Nothing; 2]];
    let mut data = Vec::new();
    for (network, value) in networks {
        let network: IpNet = network.parse().unwrap();
        let (bits, length) = match network.network() {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 96 + u32::from(network.prefix_len())),
            IpAddr::V6(address) => (address.to_bits(), u32::from(network.prefix_len())),
        };
        let at = data.len();
        encode(value, &mut data);
        let mut node = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                nodes[node][side] = Leaf::Data(at);
            } else if let Leaf::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Leaf::Nothing; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Leaf::Node(next);
                node = next;
            }
        }
    }
    let count = nodes.len();
    let mut out = Vec::new();
    for leaf in nodes.into_iter().flatten() {
        let record = match leaf {
            Leaf::Nothing => count,
            Leaf::Node(node) => node,
            Leaf::Data(at) => count + 16 + at,
        };
        out.extend(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let field = |name: &str, number: u16| (name.to_owned(), Value::Short(number));
    encode(
        &Value::Map(vec![
            field("binary_format_major_version", 2),
            field("binary_format_minor_version", 0),
            ("build_epoch".to_owned(), Value::Long(1_700_000_000)),
            ("database_type".to_owned(), Value::Text("Test".to_owned())),
            (
                "description".to_owned(),
                Value::Map(vec![("en".to_owned(), Value::Text("for tests".to_owned()))]),
            ),
            field("ip_version", 6),
            ("languages".to_owned(), Value::List(vec![Value::Text("en".to_owned())])),
            ("node_count".to_owned(), Value::Number(u32::try_from(count).unwrap())),
            field("record_size", 24),
        ]),
        &mut out,
    );
    out
}

/// Sizes below 29 are all that tests need.
fn encode(value: &Value, out: &mut Vec<u8>) {
    let size = |len: usize| u8::try_from(len).ok().filter(|len| *len < 29).unwrap();
    match value {
        Value::Text(text) => {
            out.push(2 << 5 | size(text.len().min(28)));
            out.extend(&text.as_bytes()[..text.len().min(28)]);
        }
        Value::Number(number) => {
            out.push(6 << 5 | 4);
            out.extend(number.to_be_bytes());
        }
        Value::Short(number) => {
            out.push(5 << 5 | 2);
            out.extend(number.to_be_bytes());
        }
        Value::Long(number) => {
            // An extended type: 9 is 2 beyond the 7 of the first byte.
            out.extend([8, 2]);
            out.extend(number.to_be_bytes());
        }
        Value::Map(fields) => {
            out.push(7 << 5 | size(fields.len()));
            for (key, value) in fields {
                let key_len = key.len();
                if key_len < 29 {
                    out.push(2 << 5 | size(key_len));
                } else {
                    out.extend([2 << 5 | 29, u8::try_from(key_len - 29).unwrap()]);
                }
                out.extend(key.as_bytes());
                encode(value, out);
            }
        }
        Value::List(values) => {
            // Likewise 11.
            out.extend([size(values.len()), 4]);
            values.iter().for_each(|value| encode(value, out));
        }
    }
}
