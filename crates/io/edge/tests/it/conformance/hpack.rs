//! RFC 7541: field blocks and their coding.

use super::wire::*;
use super::{Answer, Case, Goaway, Send, Status, case, get, kept};

const BROKEN: [Answer; 1] = [Goaway(COMPRESSION_ERROR)];

pub(super) fn cases() -> Vec<Case> {
    [tables(), strings(), representations()].into_iter().flatten().collect()
}

/// A request with these bytes behind its fields.
fn behind(more: &[u8]) -> Vec<super::Step> {
    vec![Send(frame(HEADERS, WHOLE, 1, &[&block(&get("/")), more].concat()))]
}

/// A request with these bytes before its fields.
fn before(more: &[u8]) -> Vec<super::Step> {
    vec![Send(frame(HEADERS, WHOLE, 1, &[more, &block(&get("/"))].concat()))]
}

/// An update of the dynamic table's size (section 6.3), beyond 30.
fn resize(size: u32) -> Vec<u8> {
    let (mut rest, mut bytes) = (size - 31, vec![0x3f]);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

fn tables() -> Vec<Case> {
    let shrunk = [settings(&[(HEADER_TABLE_SIZE, 0)]), headers(1, WHOLE, &get("/"))].concat();
    vec![
        kept("HPACK 2.3.3: an indexed field beyond both tables", behind(&[0xff, 0x00]), &BROKEN),
        kept(
            "HPACK 2.3.3: a literal whose name is beyond both tables",
            behind(&[0x7f, 0x10, 1, b'x']),
            &BROKEN,
        ),
        kept("HPACK 4.2: an update of the size at a block's end", behind(&[0x21]), &BROKEN),
        kept("HPACK 6.1: an indexed field of index 0", behind(&[0x80]), &BROKEN),
        kept("HPACK 6.3: a size beyond SETTINGS_HEADER_TABLE_SIZE", before(&resize(4097)), &BROKEN),
        case("HPACK 6.3: a size up to it", before(&resize(4096)), &[Status(1, 200)]),
        case(
            "HPACK 4.2: several updates of the size",
            before(&[&[0x20][..], &resize(4096)].concat()),
            &[Status(1, 200)],
        ),
        case("HPACK 6.5.2: a client without a table is answered", vec![Send(shrunk)], &[Status(1, 200)]),
    ]
}

/// Literals of the name `x-test` by Huffman's code.
const NAME: [u8; 6] = [0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff];

fn coded(value: &[u8]) -> Vec<u8> {
    [&[0][..], &NAME, &[0x80 | u8::try_from(value.len()).unwrap()], value].concat()
}

fn strings() -> Vec<Case> {
    vec![
        kept(
            "HPACK 5.2: padding of more than seven bits",
            behind(&coded(&[0x49, 0x50, 0x9f, 0xff])),
            &BROKEN,
        ),
        kept("HPACK 5.2: padding of zeros", behind(&coded(&[0x49, 0x50, 0x90])), &BROKEN),
        kept(
            "HPACK 5.2: the symbol EOS",
            behind(&coded(&[0xff, 0xff, 0xff, 0xfd, 0x25, 0x42, 0x7f])),
            &BROKEN,
        ),
        kept("HPACK 5.2: a string longer than its block", behind(&[0, 1, b'x', 9, b'y']), &BROKEN),
        kept(
            "HPACK 5.1: a number without end",
            behind(&[0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            &BROKEN,
        ),
        case(
            "HPACK 5.2: a literal by Huffman's code",
            behind(&coded(&[0x49, 0x50, 0x9f])),
            &[Status(1, 200)],
        ),
    ]
}

fn representations() -> Vec<Case> {
    let plain = |first: &[u8]| [first, b"\x06h2test"].concat();
    let huffman = |first: &[u8]| [first, &[0x83, 0x49, 0x50, 0x9f]].concat();
    let named = |kind: u8| [&[kind][..], b"\x06x-test"].concat();
    let named_huffman = |kind: u8| [&[kind][..], &NAME].concat();
    let accepted = |name, bytes: Vec<u8>| case(name, behind(&bytes), &[Status(1, 200)]);
    vec![
        accepted("HPACK 6.1: an indexed field", vec![0x90]),
        accepted("HPACK 6.2.1: incremental indexing, indexed name", plain(&[0x7a])),
        accepted("HPACK 6.2.1: incremental indexing, indexed name, Huffman", huffman(&[0x7a])),
        accepted("HPACK 6.2.1: incremental indexing, new name", plain(&named(0x40))),
        accepted("HPACK 6.2.1: incremental indexing, new name, Huffman", huffman(&named_huffman(0x40))),
        accepted(
            "HPACK 6.2.1: an entry of the dynamic table is used",
            [plain(&named(0x40)), vec![0xbe]].concat(),
        ),
        accepted("HPACK 6.2.2: without indexing, indexed name", plain(&[0x0f, 0x2b])),
        accepted("HPACK 6.2.2: without indexing, indexed name, Huffman", huffman(&[0x0f, 0x2b])),
        accepted("HPACK 6.2.2: without indexing, new name", plain(&named(0))),
        accepted("HPACK 6.2.2: without indexing, new name, Huffman", huffman(&named_huffman(0))),
        accepted("HPACK 6.2.3: never indexed, indexed name", plain(&[0x1f, 0x2b])),
        accepted("HPACK 6.2.3: never indexed, indexed name, Huffman", huffman(&[0x1f, 0x2b])),
        accepted("HPACK 6.2.3: never indexed, new name", plain(&named(0x10))),
        accepted("HPACK 6.2.3: never indexed, new name, Huffman", huffman(&named_huffman(0x10))),
        case("HPACK 6.3: a table of no size", before(&[0x20]), &[Status(1, 200)]),
    ]
}
