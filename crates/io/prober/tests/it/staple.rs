//! Writes stapled OCSP responses: just enough DER for tests. RFC 6960.

fn item(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut bytes = vec![tag];
    if length < 0x80 {
        bytes.push(length as u8);
    } else {
        bytes.extend([0x82, (length >> 8) as u8, length as u8]);
    }
    bytes.extend(content);
    bytes
}

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
pub(crate) const GOOD: u8 = 0x80;
pub(crate) const REVOKED: u8 = 0xa1;
#[allow(dead_code)]
pub(crate) const UNKNOWN: u8 = 0x82;

/// A response about one serial number, with this status. Its signature is not one.
pub(crate) fn response(serial: &[u8], status: u8) -> Vec<u8> {
    let time = item(0x18, &[b"20261122000000Z"]);
    let status = if status == REVOKED { item(status, &[&time]) } else { item(status, &[]) };
    let sha1 = item(SEQUENCE, &[&item(0x06, &[&[0x2b, 0x0e, 0x03, 0x02, 0x1a]])]);
    let hash = item(OCTETS, &[&[7; 20]]);
    let id = item(SEQUENCE, &[&sha1, &hash, &hash, &item(0x02, &[serial])]);
    let single = item(SEQUENCE, &[&id, &status, &time]);
    let by_key = item(0xa2, &[&item(OCTETS, &[&[9; 20]])]);
    let data = item(SEQUENCE, &[&by_key, &time, &item(SEQUENCE, &[&single])]);
    let algorithm = item(SEQUENCE, &[&item(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]])]);
    let basic = item(SEQUENCE, &[&data, &algorithm, &item(0x03, &[&[0; 65]])]);
    let kind = item(0x06, &[&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01]]);
    let bytes = item(SEQUENCE, &[&kind, &item(OCTETS, &[&basic])]);
    item(SEQUENCE, &[&item(0x0a, &[&[0]]), &item(0xa0, &[&bytes])])
}
